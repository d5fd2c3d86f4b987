import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { measurePairs, renderBaseReport, rows, startCheckoutServer, usesApiOnly } from "@wrenn/bench";
import type { ApiRow, ApiServer, BasePairs } from "@wrenn/bench";

const here: ApiServer = { url: "http://here", apiKey: "" };
const base: ApiServer = { url: "http://base", apiKey: "" };
const { signal } = new AbortController();

/** @param sample - by server; undefined where preparing fails. */
function row(
  name: string,
  sample: Readonly<Record<string, (() => number | readonly number[]) | undefined>>,
): ApiRow {
  return {
    usesApiOnly: true,
    name,
    unit: "ms",
    prepare: async ({ server }) => {
      const take = sample[server.url];
      if (take === undefined) throw new Error("404 there is no such route");
      return { sample: async () => take(), dispose: async () => {} };
    },
  };
}

test("each server is first in every second round, and pairs are of one round", async () => {
  const order: string[] = [];
  const taken =
    (name: string, value: number | readonly number[]): (() => number | readonly number[]) =>
    () => {
      order.push(name);
      return value;
    };
  const rounds: number[] = [];
  const results = await measurePairs(
    [row("a row", { "http://here": taken("here", [1, 2, 9]), "http://base": taken("base", 4) })],
    { rounds: 2 },
    { here, base },
    signal,
    () => {},
    async ([known]) => void rounds.push(known?.pairs.length ?? 0),
  );
  // Two rounds are a warm-up.
  assert.deepEqual(order, ["here", "base", "base", "here", "here", "base", "base", "here"]);
  assert.deepEqual(rounds, [1, 2]);
  assert.deepEqual(results, [
    {
      name: "a row",
      unit: "ms",
      better: "lower",
      pairs: [
        { wholeMs: 2, baseMs: 4 },
        { wholeMs: 2, baseMs: 4 },
      ],
    },
  ]);
});

test("a row that the base cannot serve says so, and the others are measured", async () => {
  let left = 3;
  const results = await measurePairs(
    [
      row("unknown there", { "http://here": () => 1 }),
      row("fails later", {
        "http://here": () => 1,
        "http://base": () => {
          if (left-- === 0) throw new Error("500 broken");
          return 2;
        },
      }),
      row("served", { "http://here": () => 1, "http://base": () => 2 }),
    ],
    { rounds: 3 },
    { here, base },
    signal,
    () => {},
  );
  assert.deepEqual(
    results.map(({ name, pairs, problem }) => [name, pairs.length, problem]),
    [
      ["unknown there", 0, "404 there is no such route"],
      ["fails later", 1, "500 broken"],
      ["served", 3, undefined],
    ],
  );
});

test("a row that fails on this checkout fails the run, and an abort is no problem of the base", async () => {
  const failing = row("a row", { "http://base": () => 1 });
  await assert.rejects(
    measurePairs([failing], { rounds: 1 }, { here, base }, signal, () => {}),
    /no such route/,
  );
  const stopping = new AbortController();
  const stopped = row("a row", {
    "http://here": () => 1,
    "http://base": () => {
      stopping.abort(new Error("interrupted"));
      throw new Error("the request was aborted");
    },
  });
  await assert.rejects(
    measurePairs([stopped], { rounds: 1 }, { here, base }, stopping.signal, () => {}),
    /interrupted/,
  );
});

test("the report has before, after, the ratio and its interval, and names what was not measured", () => {
  const pairs = (ratio: number, count: number): BasePairs["pairs"] =>
    Array.from({ length: count }, () => ({ wholeMs: 100 * ratio, baseMs: 100 }));
  const text = renderBaseReport(
    "fb03c93ca",
    "abc",
    [
      { name: "faster", unit: "ms", better: "lower", pairs: pairs(0.5, 8) },
      { name: "less", unit: "MB/s", better: "higher", pairs: pairs(0.5, 8) },
      { name: "few", unit: "ms", better: "lower", pairs: pairs(0.5, 5) },
      { name: "missing", unit: "ms", better: "lower", pairs: [], problem: "404 there is no such route" },
    ],
    ["restart", "idle memory"],
  );
  assert.match(text, /row +unit +pairs +fb03c93ca +abc +ratio/);
  assert.match(text, /faster +ms +8 +100 +50\.0 +0\.50 +0\.50 to 0\.50 +better/);
  assert.match(text, /less +MB\/s +8 .* worse/);
  assert.match(text, /few +ms +5 .* not resolved \(fewer than 6 pairs\)/);
  assert.match(text, /not served by fb03c93ca: missing: 404 there is no such route/);
  assert.match(text, /need more than the public API: restart; idle memory/);
});

test("the rows of commands, files, pauses, forks and terminals can be served by another checkout", () => {
  const names = rows.filter(usesApiOnly).map(({ name }) => name);
  for (const part of [
    "create answered",
    "exec /bin/true (REST)",
    "upload",
    "download",
    "pause",
    "fork",
    "terminal echo (WebSocket)",
  ])
    assert.ok(
      names.some((name) => name.includes(part)),
      part,
    );
  for (const part of ["host agent", "idle clone", "SIGKILL", "control plane", "machine waiting"])
    assert.ok(!names.some((name) => name.includes(part)), part);
});

/** A checkout whose launcher is a script of Node.js. */
async function checkoutOf(script: string): Promise<string> {
  const directory = await mkdtemp("/tmp/wrenn-checkout-");
  await writeFile(join(directory, "wrenn"), `#!${process.execPath}\n${script}`, { mode: 0o755 });
  return directory;
}

const SERVING = `
const { writeFileSync } = require("node:fs");
const { WRENN_DATA_DIR: data, SHOWN: shown, WRENN_WARM_MACHINES: warm } = process.env;
const [host, port] = process.argv.at(-1).split(":");
writeFileSync(data + "/local-client.json", JSON.stringify({ apiKey: "the key" }));
writeFileSync(shown, JSON.stringify({ data, warm, words: process.argv.slice(2, 4) }));
let asked = 0;
require("node:http").createServer((request, response) => {
  response.statusCode = request.url === "/ready" && ++asked < 3 ? 503 : 200;
  response.end();
}).listen(Number(port), host);
process.on("SIGTERM", () => { writeFileSync(shown + ".ended", ""); process.exit(0); });
`;

test("a checkout's server is started on data of its own, and ended", async () => {
  const checkout = await checkoutOf(SERVING);
  const shown = join(checkout, "shown");
  try {
    const server = await startCheckoutServer(checkout, { SHOWN: shown }, signal);
    assert.equal(server.apiKey, "the key");
    assert.equal((await fetch(server.url)).status, 200);
    const { data, warm, words } = JSON.parse(await readFile(shown, "utf8")) as {
      data: string;
      warm: string;
      words: readonly string[];
    };
    assert.deepEqual([warm, words], ["0", ["up", "--listen"]]);
    await server.close();
    assert.ok((await readdir(checkout)).includes("shown.ended"));
    await assert.rejects(readdir(data), { code: "ENOENT" });
  } finally {
    await rm(checkout, { recursive: true });
  }
});

test("a checkout's server that ends, or that is not there, is reported; an abort ends the start", async () => {
  const failing = await checkoutOf(`console.error("no such kernel"); process.exit(1);`);
  const silent = await checkoutOf("setInterval(() => {}, 1000);");
  try {
    await assert.rejects(
      startCheckoutServer(failing, {}, signal),
      /ended before it was ready: no such kernel/,
    );
    await assert.rejects(startCheckoutServer("/nonexistent", {}, signal), { code: "ENOENT" });
    await assert.rejects(startCheckoutServer(silent, {}, AbortSignal.timeout(300)), { name: "TimeoutError" });
  } finally {
    for (const directory of [failing, silent]) await rm(directory, { recursive: true });
  }
});
