import { systemRandom } from "@wrenn/core";
import { readFileIfPresent, writeFileAtomic } from "@wrenn/system";

/** UUIDs that stay with a data directory: what runs on it is the same host and the same control plane after a restart. */
export interface InstallationIds {
  readonly host: string;
  readonly controlPlane: string;
}

const UUID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Reads them, or draws them on the first start. @throws Error for a file that is there and says something else. */
export async function installationIds(path: string): Promise<InstallationIds> {
  const text = await readFileIfPresent(path);
  if (text === undefined) {
    const drawn = { host: systemRandom.uuid(), controlPlane: systemRandom.uuid() };
    await writeFileAtomic(path, `${JSON.stringify(drawn)}\n`);
    return drawn;
  }
  const { host, controlPlane } = JSON.parse(text) as Record<keyof InstallationIds, unknown>;
  if (typeof host !== "string" || typeof controlPlane !== "string" || ![host, controlPlane].every(isUuid))
    throw new Error(`${path} does not hold the ids of an installation`);
  return { host, controlPlane };
}

function isUuid(text: string): boolean {
  return UUID.test(text);
}
