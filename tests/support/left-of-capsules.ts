import { findLeftovers } from "@wrenn/system";

/** Namespaces, links and their mounts belong to the pool of network slots, which makes new ones whenever it likes. */
const POOL = /^(network|mount \/run\/netns\/)/;

/** What is there now of machines, cgroups and mounts that was not there before. */
export async function leftSince(before: readonly string[]): Promise<readonly string[]> {
  return (await findLeftovers()).filter((item) => !before.includes(item) && !POOL.test(item));
}
