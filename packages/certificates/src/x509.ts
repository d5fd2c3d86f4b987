import type { webcrypto } from "node:crypto";

/** A certificate and its private key, both PEM. */
export interface PemPair {
  readonly cert: string;
  readonly key: string;
}

export const KEYS = { name: "ECDSA", namedCurve: "P-256" } as const;
export const SIGNATURE = { name: "ECDSA", hash: "SHA-256" } as const;

/** Loaded when a certificate is made, which is rare; the library needs the metadata API to be there before it. */
export async function loadX509() {
  await import("reflect-metadata");
  return await import("@peculiar/x509");
}

type X509 = Awaited<ReturnType<typeof loadX509>>;

export async function makeKeys(): Promise<webcrypto.CryptoKeyPair> {
  return await crypto.subtle.generateKey(KEYS, true, ["sign", "verify"]);
}

export async function pemOfKey(x509: X509, key: CryptoKey): Promise<string> {
  return x509.PemConverter.encode(await crypto.subtle.exportKey("pkcs8", key), "PRIVATE KEY");
}

export async function keyOfPem(x509: X509, pem: string): Promise<CryptoKey> {
  return await crypto.subtle.importKey("pkcs8", x509.PemConverter.decodeFirst(pem), KEYS, false, ["sign"]);
}
