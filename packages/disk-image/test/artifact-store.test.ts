import assert from "node:assert/strict";
import { once } from "node:events";
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { silentLogger, systemClock } from "@wrenn/core";
import fc from "fast-check";
import { createArtifactStore } from "../src/index.ts";

const builder = join(import.meta.dirname, "support/builder-process.ts");

async function inTemporaryDirectory(task: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-artifacts-"));
  try {
    await task(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

const signal = (): AbortSignal => AbortSignal.timeout(60_000);

test("an artifact is built once and found afterwards", () =>
  inTemporaryDirectory(async (directory) => {
    const store = createArtifactStore(directory, silentLogger);
    let builds = 0;
    const build = async (building: string): Promise<void> => {
      builds++;
      await delay(5);
      await writeFile(join(building, "file"), "content");
    };
    const paths = await Promise.all(
      Array.from({ length: 5 }, () => store.buildOnce("kind", "key", build, signal())),
    );
    assert.deepEqual([...new Set(paths)], [join(directory, "kind", "key")]);
    assert.equal(builds, 1);
    assert.equal(await readFile(join(directory, "kind/key/file"), "utf8"), "content");
    assert.equal((await stat(join(directory, "kind/key"))).mode & 0o777, 0o755);
    assert.deepEqual(await readdir(join(directory, "kind")), ["key"]);
  }));

test("a failed build leaves nothing, and the next one may succeed", () =>
  inTemporaryDirectory(async (directory) => {
    const store = createArtifactStore(directory, silentLogger);
    const fail = async (building: string): Promise<void> => {
      await writeFile(join(building, "half"), "");
      throw new Error("no room");
    };
    await assert.rejects(store.buildOnce("kind", "key", fail, signal()), /no room/);
    assert.deepEqual(await readdir(join(directory, "kind")), []);
    await store.buildOnce("kind", "key", async () => {}, signal());
    assert.deepEqual(await readdir(join(directory, "kind/key")), []);
  }));

test("an aborted build leaves nothing, and an aborted wait does not disturb the builder", () =>
  inTemporaryDirectory(async (directory) => {
    const store = createArtifactStore(directory, silentLogger);
    const begun = Promise.withResolvers<void>();
    const building = Promise.withResolvers<void>();
    const abort = new AbortController();
    const build = async (): Promise<void> => {
      begun.resolve();
      await building.promise;
    };
    const first = store.buildOnce("kind", "key", build, abort.signal);
    await begun.promise;
    const second = new AbortController();
    const waiting = store.buildOnce("kind", "key", () => assert.fail("built twice"), second.signal);
    await delay(20);
    second.abort(new Error("enough"));
    await assert.rejects(waiting, /enough/);
    abort.abort(new Error("stop"));
    building.resolve();
    await assert.rejects(first, /stop/);
    assert.deepEqual(await readdir(join(directory, "kind")), []);
  }));

test("however many processes build at once, and some of them die, one build is finished and nothing else is left", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.boolean(), { minLength: 1, maxLength: 4 }), (crashes) =>
      inTemporaryDirectory(async (directory) => {
        const log = join(directory, "log");
        const fates = [...crashes.map((crash) => (crash ? "crash" : "finish")), "finish"];
        await Promise.all(
          fates.map(async (fate) => {
            const child = spawn(process.execPath, [builder, directory, log, fate], {
              stdio: ["ignore", "ignore", "inherit"],
            });
            const [code, killedBy] = (await once(child, "exit")) as [number | null, string | null];
            assert.ok(code === 0 || (fate === "crash" && killedBy === "SIGKILL"), `${fate}: ${code}`);
          }),
        );
        const lines = (await readFile(log, "utf8")).trim().split("\n");
        assert.equal(lines.filter((line) => line === "end").length, 1);
        assert.equal(lines.at(-1), "end");
        assert.deepEqual(await readdir(join(directory, "kind")), ["key"]);
        assert.deepEqual((await readdir(join(directory, "kind/key"))).sort(), ["part", "whole"]);
      }),
    ),
    { numRuns: 5 },
  );
});

test("of a kind that is trimmed the artifacts that were used last are kept", () =>
  inTemporaryDirectory(async (directory) => {
    let now = Date.now();
    const store = createArtifactStore(directory, silentLogger, { ...systemClock, now: () => now });
    const use = async (key: string): Promise<void> => {
      now += 1000;
      await store.buildOnce("frozen", key, (building) => writeFile(join(building, "file"), key), signal());
    };
    for (const key of ["a", "b", "c", "d"]) await use(key);
    // Files carry the system's time until they are used.
    for (const key of ["b", "c", "d", "a"]) await use(key);
    await writeFile(join(directory, "frozen", "a.lock"), "");
    await Promise.all([store.trim("frozen", 2), store.trim("frozen", 2)]);
    assert.deepEqual((await readdir(join(directory, "frozen"))).sort(), ["a", "a.lock", "d"]);
    await use("b");
    assert.equal(await readFile(join(directory, "frozen", "b", "file"), "utf8"), "b");
  }));
