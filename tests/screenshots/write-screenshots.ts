import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { projectRoot } from "../support/sources.ts";
import { guidePictures, PICTURES } from "./guide-pictures.ts";
import { scenes } from "./scenes.ts";
import { Stage } from "./stage.ts";
import { looks, takeAll } from "./take-all.ts";
import { Photographer } from "./take-picture.ts";

/*
 * Takes the pictures of the guide: `npm run screenshots`, or with `-- --all DIR` pictures of every page, in both themes and on a
 * phone, into that directory.
 */

const { values } = parseArgs({ options: { all: { type: "string" } } });
const LIMIT_MS = 20 * 60_000;
const stopped = new AbortController();
process.once("SIGINT", () => stopped.abort(new Error("stopped")));
const signal = AbortSignal.any([AbortSignal.timeout(LIMIT_MS), stopped.signal]);
await using stage = await Stage.open(signal);
const faults: string[] = [];

if (values.all === undefined) {
  await mkdir(join(projectRoot, PICTURES), { recursive: true });
  for (const { file, scene: name, device, theme } of guidePictures) {
    const scene = scenes.find((one) => one.name === name);
    if (!scene) throw new Error(`no scene is called ${name}`);
    if (scene.showsHistory === true) await stage.history(signal);
    await using photographer = new Photographer(stage, device, theme);
    const picture = await photographer.take(scene);
    await writeFile(join(projectRoot, PICTURES, file), picture.png);
    faults.push(...picture.faults.map((fault) => `${file} ${fault}`));
    process.stdout.write(`${file}, ${Math.ceil(picture.png.length / 1024)} KiB\n`);
  }
} else {
  for (const look of looks) {
    faults.push(...(await takeAll(stage, values.all, look)));
    process.stdout.write(`${look.device}, ${look.theme}\n`);
  }
}
for (const fault of faults) process.stdout.write(`${fault}\n`);
if (faults.length > 0) process.exitCode = 1;
