import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { promisify } from "node:util";
import { WrennError } from "@wrenn/core";
import { NativeAgent } from "./support/native-agent.ts";

/* Lists in pages, by the real agent. */

const signal = AbortSignal.timeout(300_000);
const agent = await NativeAgent.start();
const guestLink = await agent.connect();
const root = await mkdtemp("/var/tmp/wrenn-pages-");
const run = promisify(execFile);
after(async () => {
  await guestLink.detach();
  await agent[Symbol.asyncDispose]();
  await run("rm", ["-rf", root]);
});

const { files } = guestLink;
const at = (...names: readonly string[]): string => join(root, ...names);
const shell = async (commands: string): Promise<string> =>
  (await run("sh", ["-euc", commands], { cwd: root, maxBuffer: 64 << 20 })).stdout.trim();

interface Asked {
  readonly depth?: number;
  readonly limit: number;
  /** Called between two pages. */
  readonly between?: (after: string) => Promise<unknown>;
}

/** Paths of a list in pages. */
async function pages(path: string, { depth = 1, limit, between }: Asked): Promise<readonly string[]> {
  const found: string[] = [];
  for (let after: string | undefined; ;) {
    const { entries, next } = await files.listPage(
      path,
      { depth, limit, ...(after === undefined ? {} : { after }) },
      { signal },
    );
    assert.ok(entries.length <= limit);
    found.push(...entries.map((entry) => entry.path));
    if (next === undefined) return found;
    assert.ok(entries.length > 0, "a page that is not the last one has entries");
    after = next;
    await between?.(after);
  }
}

const whole = async (path: string, depth: number): Promise<readonly string[]> =>
  (await files.list(path, depth, { signal })).map((entry) => entry.path);

test("pages of any size have what the whole list has, in its order, at any depth", async () => {
  await shell(
    "mkdir -p tree/a/b/c tree/a-b tree/empty tree/z; touch tree/a/1 tree/a/b/2 tree/a/b/c/3 tree/a.txt tree/a-b/4 tree/z/5 tree/zz tree/.wrenn-upload-0123456789abcdef; ln -s a tree/link;" +
      "for i in $(seq 40); do touch tree/z/f$i tree/a/b/c/g$i; done; touch \"$(printf 'tree/\\377\\376 raw')\" \"$(printf 'tree/new\\nline')\"",
  );
  for (const depth of [1, 2, 3, 100]) {
    const expected = await whole(at("tree"), depth);
    assert.ok(expected.length > 5);
    for (const limit of [1, 2, 3, 7, 40, expected.length, expected.length + 1, 10_000])
      assert.deepEqual(await pages(at("tree"), { depth, limit }), expected, `depth ${depth}, limit ${limit}`);
  }
});

test("what exists all the time is on exactly one page, whatever appears and vanishes", async () => {
  await mkdir(at("changing"));
  const kept = Array.from({ length: 300 }, (_, index) => `d${String(index).padStart(3, "0")}`);
  for (const name of kept) await mkdir(at("changing", name, "inside"), { recursive: true });
  let round = 0;
  const found = await pages(at("changing"), {
    depth: 2,
    limit: 17,
    between: async (last) => {
      round++;
      await Promise.all(
        Array.from({ length: 20 }, (_, index) => writeFile(at("changing", `d${round}${index}-new`), "")),
      );
      // Also what the page ended with, and the directory that it is in.
      if (round % 2 === 0) await rm(at("changing", last), { recursive: true, force: true });
      if (round % 3 === 0)
        await rm(at("changing", last.split("/")[0] ?? ""), { recursive: true, force: true });
    },
  });
  assert.ok(round > 20);
  assert.equal(new Set(found).size, found.length, "nothing twice");
  const missing = (await shell("cd changing; find . -mindepth 1 -path './d???*' ! -name '*-new'"))
    .split("\n")
    .filter((path) => !found.includes(at("changing", path)));
  assert.deepEqual(missing, []);
});

test("a directory of 110,000 names is listed in pages, and refused as a whole with the limit and the remedy", async () => {
  const count = 110_000;
  await shell(`mkdir many; cd many; seq -f f%.0f ${count} | xargs touch`);
  await assert.rejects(files.list(at("many"), 1, { signal }), (error) => {
    assert.ok(WrennError.is(error, "too_many_entries"));
    assert.equal(error.entry.status, 413);
    assert.match(`${error.message} ${error.remedy}`, /100,000.*`limit`.*`cursor`/);
    return true;
  });
  const resident = async (): Promise<number> => {
    const status = await readFile(`/proc/${agent.pid}/status`, "utf8");
    return Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1] ?? NaN);
  };
  let most = 0;
  const before = await resident();
  const found = await pages(at("many"), {
    limit: 5000,
    between: async () => (most = Math.max(most, await resident())),
  });
  assert.equal(new Set(found).size, count);
  assert.deepEqual(found, found.toSorted());
  // Another build of the agent, such as one with sanitizers, has a heap of its own kind.
  if (process.env["WRENN_TEST_GUEST_AGENT"] === undefined)
    assert.ok(most - before < 24 << 10, `${most - before} KiB`);
  await shell("rm -r many");
});

test("names of 255 bytes, a directory that vanishes, and refusals", async () => {
  await shell(`mkdir long; cd long; for i in $(seq 1000 1300); do touch "$i$(printf '%0251d' 0)"; done`);
  assert.equal((await pages(at("long"), { limit: 100 })).length, 301);
  const request = { depth: 1, limit: 10 };
  await assert.rejects(files.listPage(at("missing"), request, { signal }), (error) =>
    WrennError.is(error, "path_not_found"),
  );
  await assert.rejects(files.listPage(at("tree/zz"), request, { signal }), (error) =>
    WrennError.is(error, "not_a_directory"),
  );
  const { entries } = await files.listPage(at("long"), { ...request, after: "../../etc/passwd" }, { signal });
  assert.equal(entries.length, 10, "a cursor is compared, never followed");
  for (const after of ["zzz", "/", "//", "a//b", "x".repeat(4096)])
    assert.ok((await files.listPage(at("long"), { ...request, after }, { signal })).entries.length <= 10);
});
