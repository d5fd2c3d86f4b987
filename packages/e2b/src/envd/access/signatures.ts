import { createHash, timingSafeEqual } from "node:crypto";

/** What a signed address lets its holder do with a file. */
export type SignedOperation = "read" | "write";

/** A signed file address. Path and user are the values of the query as they are: empty where they are absent. */
export interface SignedAddress {
  readonly path: string;
  readonly user: string;
  readonly operation: SignedOperation;
  readonly signature: string;
  /** Unix seconds, as text. */
  readonly expiration: string | undefined;
}

const VERSION = "v1_";

/** The signature that clients compute with the token of a sandbox (contract: SHA-256, base64 without padding). */
export function signatureOf(
  { path, operation, user, expiration }: Omit<SignedAddress, "signature">,
  token: string,
): string {
  const parts = [path, operation, user, token, ...(expiration === undefined ? [] : [expiration])];
  return VERSION + createHash("sha256").update(parts.join(":")).digest("base64").replace(/=+$/, "");
}

/** Whether the address was signed with this token, whether or not it has expired. Compares in constant time. */
export function isSignedWith(address: SignedAddress, token: string): boolean {
  const [expected, actual] = [Buffer.from(signatureOf(address, token)), Buffer.from(address.signature)];
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

/** Whether the time of a signed address is over. Anything but seconds has expired. */
export function hasExpired({ expiration }: SignedAddress, nowMs: number): boolean {
  if (expiration === undefined) return false;
  return !/^\d{1,15}$/.test(expiration) || Number(expiration) < Math.floor(nowMs / 1000);
}
