/** Longer content is not hashed as a whole: hashing copies it. */
const MOST_BYTES = 64 << 20;

/**
 * `Content-Digest` (RFC 9530) of bytes, which the server verifies. None where the runtime has no WebCrypto, as on pages without
 * TLS, and none of content beyond 64 MiB.
 */
export async function digestHeader(bytes: Uint8Array<ArrayBuffer>): Promise<{ "content-digest"?: string }> {
  const { subtle } = globalThis.crypto as { readonly subtle?: SubtleCrypto };
  if (subtle === undefined || bytes.length > MOST_BYTES) return {};
  const hash = new Uint8Array(await subtle.digest("SHA-256", bytes));
  return { "content-digest": `sha-256=:${btoa(String.fromCharCode(...hash))}:` };
}
