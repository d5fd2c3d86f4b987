import { timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { hasExpired, isSignedWith } from "./signatures.ts";
import type { SignedAddress } from "./signatures.ts";

const HEADER = "x-access-token";

/** Why a request may not use a sandbox; undefined: it may. */
export type AccessProblem = string | undefined;

/** The file operation that a method stands for at `/files`. */
export function signedAddressOf(method: string, query: URLSearchParams): SignedAddress | undefined {
  const signature = query.get("signature");
  if (signature === null || signature === "") return undefined;
  return {
    path: query.get("path") ?? "",
    user: query.get("username") ?? "",
    operation: method === "GET" || method === "HEAD" ? "read" : "write",
    signature,
    expiration: query.get("signature_expiration") ?? undefined,
  };
}

/** Whether a request shows the token of the sandbox. A header that is there must be right, whatever else the request has. */
export function hasToken(headers: IncomingHttpHeaders, token: string): boolean {
  const given = headers[HEADER];
  if (typeof given !== "string") return false;
  const [expected, actual] = [Buffer.from(token), Buffer.from(given)];
  return expected.length === actual.length && timingSafeEqual(expected, actual);
}

/** Judges a request that has to show the token. */
export function judgeToken(headers: IncomingHttpHeaders, token: string): AccessProblem {
  if (headers[HEADER] === undefined) return "unauthorized access, please provide a valid access token";
  return hasToken(headers, token) ? undefined : "unauthorized access, the access token is wrong";
}

/** Judges a request for `/files`, which may have a signature in the place of the token. */
export function judgeFileAccess(
  headers: IncomingHttpHeaders,
  address: SignedAddress | undefined,
  token: string,
  nowMs: number,
): AccessProblem {
  // A wrong header is refused even beside a right signature.
  if (headers[HEADER] !== undefined) return judgeToken(headers, token);
  if (!address) return "missing signature query parameter";
  if (!isSignedWith(address, token)) return "invalid signature";
  return hasExpired(address, nowMs) ? "signature is already expired" : undefined;
}
