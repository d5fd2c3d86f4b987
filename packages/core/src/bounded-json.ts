/** The body of a response; what `fetch` returns has it. */
export interface ResponseWithBody {
  readonly body: AsyncIterable<Uint8Array> | null;
}

/**
 * The JSON that another service answers with; undefined for what is none. The message of a parser would quote the text, which may have
 * secrets.
 *
 * @throws Error for a body of more than `maxBytes`, the rest of which is not read.
 */
export async function boundedJson({ body }: ResponseWithBody, maxBytes: number): Promise<unknown> {
  const pieces: Uint8Array[] = [];
  let size = 0;
  for await (const piece of body ?? []) {
    size += piece.byteLength;
    // Leaving the loop cancels the rest.
    if (size > maxBytes) throw new Error(`its answer is larger than ${maxBytes} bytes`);
    pieces.push(piece);
  }
  try {
    return JSON.parse(Buffer.concat(pieces).toString("utf8"));
  } catch {
    return undefined;
  }
}
