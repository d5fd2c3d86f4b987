const HOSTS = new Set(["localhost", "127.0.0.1", "[::1]"]);

/** Characters of an address that a program listens at. */
export const MAX_LOOPBACK_ADDRESS = 256;

/**
 * The address of a program on the machine of the browser (RFC 8252 §7.3): plain HTTP to the loopback interface, with a port. Undefined for
 * every other address, so that a login is never sent to another machine.
 *
 * @param text - untrusted; use the URL that is returned and never the text, which other parsers may read differently.
 */
export function loopbackAddress(text: string): URL | undefined {
  const url = text.length > MAX_LOOPBACK_ADDRESS ? null : URL.parse(text);
  if (!url) return undefined;
  const isPlain = url.username === "" && url.password === "" && url.search === "" && url.hash === "";
  return url.protocol === "http:" && HOSTS.has(url.hostname) && url.port !== "" && isPlain ? url : undefined;
}
