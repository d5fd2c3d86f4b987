import { randomInt } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

/** Replaces the resolver's settings for one program, in a mount namespace that ends with it. */
const WITH_RESOLVER = 'mount --bind "$0" /etc/resolv.conf && exec "$@"';

/** A loopback address of a test's own where a name server takes port 53, the only one that settings of a resolver can have. */
export function nameServerAddress(): string {
  return `127.${randomInt(64, 128)}.${randomInt(256)}.${randomInt(1, 255)}`;
}

/**
 * A command that runs unmodified programs on a machine whose resolver asks this name server, and no other.
 *
 * @param directory - keeps the resolver's settings.
 */
export async function resolvingBy(
  nameServer: string,
  directory: string,
): Promise<readonly [string, ...string[]]> {
  const settings = join(directory, "resolv.conf");
  await writeFile(settings, `nameserver ${nameServer}\noptions timeout:2 attempts:2\n`);
  return ["unshare", "--mount", "sh", "-c", WITH_RESOLVER, settings];
}
