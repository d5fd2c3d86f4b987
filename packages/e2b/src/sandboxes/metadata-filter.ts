import { WrennError } from "@wrenn/core";

/**
 * Reads the metadata that a list is filtered by. Clients escape names and values, write them as a form, and escape that as the value
 * of a query, so that two more layers are left when the query has been read.
 *
 * @throws WrennError `invalid_field`.
 */
export function metadataFilter(text: string | undefined): Readonly<Record<string, string>> | undefined {
  if (text === undefined || text === "") return undefined;
  const pairs = unescape(text)
    .split("&")
    .map((pair): [string, string] => {
      const at = pair.indexOf("=");
      if (at < 1) throw malformed();
      return [unescape(pair.slice(0, at)), unescape(pair.slice(at + 1))];
    });
  return Object.fromEntries(pairs);
}

function unescape(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch (error) {
    throw malformed(error);
  }
}

function malformed(cause?: unknown): WrennError {
  return new WrennError(
    "invalid_field",
    { field: "metadata", problem: "must be escaped pairs of name=value, joined by &" },
    { cause },
  );
}
