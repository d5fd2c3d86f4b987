import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { systemClock } from "@wrenn/core";
import { HostileLane, seeded, trickNames } from "../support/hostile-guest.ts";
import { watchGrowth } from "../support/resident-memory.ts";

const long = process.env["WRENN_TEST_LONG"] === "1";
const seconds = long ? Number(process.env["WRENN_HOSTILE_SECONDS"] ?? 600) : 5;
const seed = Number(process.env["WRENN_HOSTILE_SEED"] ?? Date.now() % 1_000_000);
/** Memory of one capsule, and what the garbage collector has not got to yet. */
const GROWTH_MIB = 64 + 192;
const program = join(import.meta.dirname, "../support/guest-link-process.ts");

test(
  `a guest that breaks the protocol in every way for ${seconds} s costs the host bounded memory, and calls end typed (seed ${seed})`,
  { timeout: (seconds + 60) * 1000 },
  async (t) => {
    t.diagnostic(`WRENN_HOSTILE_SEED=${seed}`);
    const directory = await mkdtemp(join(tmpdir(), "wrenn-hostile-"));
    const paths = [join(directory, "a.sock"), join(directory, "b.sock")];
    const random = seeded(seed);
    const lanes = await Promise.all(paths.map((path) => HostileLane.listen(path, random)));
    const child = spawn(process.execPath, [program, ...paths, String(seed)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    t.after(async () => {
      child.kill("SIGKILL");
      for (const lane of lanes) await lane[Symbol.asyncDispose]();
      await rm(directory, { recursive: true });
    });
    let printed = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => (printed += text));
    await once(child.stdout, "data");
    await systemClock.sleep(1000);
    const descriptors = async (): Promise<number> => (await readdir(`/proc/${child.pid}/fd`)).length;
    const before = await descriptors();
    const growthSoFar = await watchGrowth(child.pid ?? 0);
    await systemClock.sleep(seconds * 1000);
    const [growth, after] = [growthSoFar(), await descriptors()];
    const exited = once(child, "exit");
    child.kill("SIGTERM");
    assert.deepEqual(await exited, [0, null], "it did not survive");
    const { outcomes, most } = JSON.parse(printed.trim().split("\n").at(-1) ?? "") as {
      readonly outcomes: Readonly<Record<string, number>>;
      readonly most: number;
    };
    t.diagnostic(`${JSON.stringify(outcomes)}, ${Math.round(growth)} MiB, ${most} bytes held`);
    assert.ok(growth < GROWTH_MIB, `${growth.toFixed(0)} MiB`);
    assert.ok(after < before + 20, `${after} descriptors after ${before}`);
    assert.ok(most < 72 << 20, `${most} bytes held for one capsule`);
    assert.ok((outcomes["given up"] ?? 0) > 0 && (outcomes["answered"] ?? 0) > 0, JSON.stringify(outcomes));
    const typed =
      /^(answered|left|given up|guest_\w+|file_operation_failed|operation_failed|stdin_closed|input_not_read|path_\w+|not_a_\w+|too_\w+)$/;
    assert.deepEqual(
      Object.keys(outcomes).filter((outcome) => !typed.test(outcome)),
      [],
      "calls ended with errors that are none of the catalogue",
    );
    const played = new Set(lanes.flatMap((lane) => [...lane.played.keys()]));
    assert.deepEqual(
      trickNames.filter((name) => !played.has(name)),
      [],
      "some of it was never tried",
    );
  },
);
