/** Names of the loopback interface, each of which is the same server. */
const LOOPBACK: ReadonlySet<string> = new Set(["127.0.0.1", "[::1]"]);

/** Whether two addresses are of one server: `up` prints localhost, and others write the address. */
export function isSameServer(one: string, other: string): boolean {
  return originOf(one) === originOf(other);
}

/**
 * The address of a server as browsers are to have it: by a name on the loopback interface, which names of ports and passkeys can be
 * made of.
 */
export function browserAddress(url: string): string {
  return url.replace(/^http:\/\/(?:127\.0\.0\.1|\[::1\])(?=[:/]|$)/, "http://localhost");
}

function originOf(url: string): string {
  const { protocol, hostname, port } = new URL(url);
  const host = LOOPBACK.has(hostname) ? "localhost" : hostname;
  return `${protocol}//${host}:${port}`;
}
