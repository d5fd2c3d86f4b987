import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { WrennError } from "@wrenn/core";

const DIGEST = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/;

/**
 * What `Content-Digest: sha-256=:…:` (RFC 9530) says the body has, in base64; `undefined` without the header.
 *
 * @throws WrennError `invalid_field` for a header that holds no SHA-256.
 */
export function expectedSha256(headers: IncomingHttpHeaders): string | undefined {
  const header = headers["content-digest"];
  if (header === undefined) return undefined;
  const match = typeof header === "string" ? DIGEST.exec(header) : null;
  if (match) return match[1];
  throw new WrennError("invalid_field", {
    field: "Content-Digest",
    problem: "must be sha-256=:<base64>:",
  });
}

/**
 * Passes content through and fails at its end when it is not what `Content-Digest` says, so that what takes the content never
 * completes it.
 *
 * @throws WrennError like {@link expectedSha256}; `content_digest_mismatch` while iterating.
 */
export function verified(
  content: AsyncIterable<Uint8Array>,
  headers: IncomingHttpHeaders,
): AsyncIterable<Uint8Array> {
  const expected = expectedSha256(headers);
  return expected === undefined ? content : check(content, Buffer.from(expected, "base64"));
}

async function* check(content: AsyncIterable<Uint8Array>, expected: Buffer): AsyncGenerator<Uint8Array> {
  const hash = createHash("sha256");
  for await (const chunk of content) {
    hash.update(chunk);
    yield chunk;
  }
  const actual = hash.digest();
  if (!timingSafeEqual(actual, expected))
    throw new WrennError("content_digest_mismatch", { actual: actual.toString("base64") });
}
