import { KEYS, loadX509, pemOfKey, SIGNATURE } from "./x509.ts";

/** A new private key of a host, and a request for a certificate of it. The key stays where it was made. */
export async function makeHostRequest(): Promise<{ readonly keyPem: string; readonly csrPem: string }> {
  const x509 = await loadX509();
  const keys = await crypto.subtle.generateKey(KEYS, true, ["sign", "verify"]);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    // Who it is for is known by the token that it is sent with.
    name: "CN=wrenn-host",
    keys,
    signingAlgorithm: SIGNATURE,
  });
  return { keyPem: await pemOfKey(x509, keys.privateKey), csrPem: request.toString("pem") };
}
