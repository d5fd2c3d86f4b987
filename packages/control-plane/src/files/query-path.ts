import { textOfBytes } from "@wrenn/core";

/** A request whose query names a file. */
interface PathRequest {
  readonly originalUrl: string;
  readonly query: { readonly path: string };
}

/**
 * The path in the query of a request. Bytes of names that are not UTF-8 are percent-encoded as they are: `%FF`. The parser of
 * queries leaves such a value as it was sent.
 */
export function pathOf({ originalUrl, query }: PathRequest): string {
  const [sent] = /(?<=[?&]path=)[^&]*/.exec(originalUrl) ?? [];
  if (sent === undefined || !query.path.includes("%")) return query.path;
  try {
    decodeURIComponent(sent);
    return query.path;
  } catch {
    const bytes = sent
      .replaceAll("+", " ")
      .replaceAll(/%([0-9A-Fa-f]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
    return textOfBytes(Buffer.from(bytes, "latin1"));
  }
}
