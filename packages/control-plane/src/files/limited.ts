import { WrennError } from "@wrenn/core";

/** Passes content through up to `limit` bytes. @throws WrennError `body_too_large` while iterating. */
export async function* limited(
  content: AsyncIterable<Uint8Array>,
  limit: number,
): AsyncGenerator<Uint8Array> {
  let size = 0;
  for await (const chunk of content) {
    size += chunk.length;
    if (size > limit) throw new WrennError("body_too_large", { limit });
    yield chunk;
  }
}
