import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { tryCommand } from "@wrenn/system";
import { noBrowser } from "../support/browser.ts";
import { projectRoot } from "../support/sources.ts";

const skip = process.env["WRENN_TEST_LONG"] === "1" ? noBrowser : "only with --long: measures for minutes";
const [directory, dataDirectory] = await Promise.all(
  ["run", "data"].map(async (use) => await mkdtemp(`/tmp/wrenn-bench-test-${use}-`)),
);
assert.ok(directory && dataDirectory);
after(async () => {
  for (const each of [directory, dataDirectory]) await rm(each, { recursive: true, force: true });
});

const env = { ...process.env, WRENN_DATA_DIR: dataDirectory } as Record<string, string>;
/** What no machine is below or above, however busy it is: another number is of something else. */
const PLAUSIBLE: Readonly<Record<string, readonly [min: number, max: number]>> = {
  "dashboard: scripts until the list of capsules (gzip)": [50, 150],
  "dashboard: list of capsules usable, nothing cached": [50, 30_000],
  "dashboard: longest task, 1000 capsules": [2, 5000],
  "dashboard: key pressed to echo painted": [0.5, 5000],
  "dashboard: 10 MB of output painted": [200, 60_000],
  "dashboard: key pressed beside yes to its effect painted": [0.5, 30_000],
};

interface MeasuredRow {
  readonly name: string;
  readonly samples: readonly number[];
}

async function left(): Promise<readonly string[]> {
  return (await readdir("/tmp")).filter((name) => name.startsWith("wrenn-bench-cp-"));
}

test(
  "bench measures scripts, list and terminal of the dashboard in a browser, and leaves no control plane",
  { skip },
  async () => {
    const before = await left();
    const json = join(directory, "run.json");
    const argv = ["bench", "--only", "dashboard: ", "--rounds", "1", "--json", json] as const;
    const { code, stderr } = await tryCommand([join(projectRoot, "wrenn"), ...argv], { env });
    assert.equal(code, 0, stderr);
    const { results } = JSON.parse(await readFile(json, "utf8")) as {
      readonly results: readonly MeasuredRow[];
    };
    const measured = new Map(results.map(({ name, samples }) => [name, samples]));
    assert.deepEqual(new Set(measured.keys()), new Set(Object.keys(PLAUSIBLE)));
    for (const [name, [min, max]] of Object.entries(PLAUSIBLE)) {
      const samples = measured.get(name) ?? [];
      assert.ok(samples.length > 0, name);
      for (const sample of samples) assert.ok(sample >= min && sample <= max, `${name}: ${sample}`);
    }
    assert.deepEqual(
      (await left()).filter((name) => !before.includes(name)),
      [],
    );
  },
);
