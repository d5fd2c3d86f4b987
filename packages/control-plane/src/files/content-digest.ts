import { createHash, timingSafeEqual } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { WrennError } from "@wrenn/core";

const DIGEST = /(?:^|,)\s*sha-256=:([A-Za-z0-9+/]{43}=):/;

/**
 * Passes content through and fails at its end when it is not what `Content-Digest: sha-256=:…:` (RFC 9530) says, so that
 * what takes the content never completes it.
 *
 * @throws WrennError `invalid_field` for a header that holds no SHA-256, `content_digest_mismatch` while iterating.
 */
export function verified(
  content: AsyncIterable<Uint8Array>,
  headers: IncomingHttpHeaders,
): AsyncIterable<Uint8Array> {
  const header = headers["content-digest"];
  if (header === undefined) return content;
  const match = typeof header === "string" ? DIGEST.exec(header) : null;
  if (!match)
    throw new WrennError("invalid_field", {
      field: "Content-Digest",
      problem: "must be sha-256=:<base64>:",
    });
  return check(content, Buffer.from(match[1] ?? "", "base64"));
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
