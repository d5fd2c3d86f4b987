/** Header fields as they came: name, value, name, value, … in order, with their spelling and duplicates. */
export type RawHeaders = readonly string[];

/** Fields that end at each hop (RFC 9110 §7.6.1), beside those that Connection names. */
const hopByHop = new Set([
  "connection",
  "http2-settings",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "transfer-encoding",
  "upgrade",
]);

/** Visits the fields that may travel further than this hop; the name is given in lower case too. */
export function forEndToEnd(
  raw: RawHeaders,
  visit: (name: string, value: string, lowerCase: string) => void,
): void {
  const dropped = connectionOptions(raw);
  for (let at = 0; at + 1 < raw.length; at += 2) {
    const name = raw[at] ?? "";
    const lowerCase = name.toLowerCase();
    // Pseudo-header fields of HTTP/2 begin with a colon.
    if (name.startsWith(":") || hopByHop.has(lowerCase) || dropped.has(lowerCase)) continue;
    visit(name, raw[at + 1] ?? "", lowerCase);
  }
}

/** All values of one field, in order. */
export function valuesOf(raw: RawHeaders, name: string): readonly string[] {
  const values: string[] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) {
    if (raw[at]?.toLowerCase() === name) values.push(raw[at + 1] ?? "");
  }
  return values;
}

/** Fields as pairs of name and value. */
export function pairsOf(raw: RawHeaders): [string, string][] {
  const pairs: [string, string][] = [];
  for (let at = 0; at + 1 < raw.length; at += 2) pairs.push([raw[at] ?? "", raw[at + 1] ?? ""]);
  return pairs;
}

/** Trailer fields that may travel further, as pairs. */
export function trailersOf(raw: RawHeaders): [string, string][] {
  const trailers: [string, string][] = [];
  forEndToEnd(raw, (name, value) => trailers.push([name, value]));
  return trailers;
}

/**
 * Names listed in Connection. Host, framing and our own credentials' fields are never dropped by it: a client could
 * otherwise make the next hop read the message differently.
 */
function connectionOptions(raw: RawHeaders): ReadonlySet<string> {
  const names = valuesOf(raw, "connection").flatMap((value) =>
    value.split(",").map((name) => name.trim().toLowerCase()),
  );
  return new Set(names.filter((name) => name !== "host" && name !== "content-length"));
}
