import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { scenes } from "./scenes.ts";
import type { Stage } from "./stage.ts";
import { Photographer } from "./take-picture.ts";
import type { Device, Theme } from "./take-picture.ts";

/** Ways to look at every page. */
export const looks: readonly { readonly device: Device; readonly theme: Theme }[] = [
  { device: "desktop", theme: "light" },
  { device: "desktop", theme: "dark" },
  { device: "phone", theme: "light" },
  { device: "phone", theme: "dark" },
];

/**
 * Takes a picture of every scene into a directory.
 *
 * @returns what is wrong with pages, each beginning with the name of its picture.
 */
export async function takeAll(
  stage: Stage,
  directory: string,
  { device, theme }: (typeof looks)[number],
): Promise<readonly string[]> {
  await mkdir(directory, { recursive: true });
  await using photographer = new Photographer(stage, device, theme);
  const found: string[] = [];
  for (const scene of scenes) {
    const name = `${scene.name}-${device}-${theme}`;
    try {
      const { png, faults } = await photographer.take(scene);
      await writeFile(join(directory, `${name}.png`), png);
      found.push(...faults.map((fault) => `${name} ${fault}`));
    } catch (error) {
      found.push(`${name}: ${String(error)}`);
    }
  }
  return found;
}
