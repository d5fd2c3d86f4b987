import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { measure } from "@wrenn/bench";
import type { BenchContext, Row } from "@wrenn/bench";

const context = {
  server: { url: "http://localhost:1", apiKey: "" },
  signal: new AbortController().signal,
} as unknown as BenchContext;

function sleeping(ms: number, log: string[] = []): Row {
  return {
    name: `${ms} ms`,
    unit: "ms",
    prepare: async () => ({
      sample: async () => {
        await setTimeout(ms);
        return ms;
      },
      dispose: async () => void log.push("disposed"),
    }),
  };
}

test("rows are measured in rounds, and the results so far are reported after each one that counts", async () => {
  const log: string[] = [];
  const known: number[] = [];
  const results = await measure(
    [sleeping(1, log)],
    { rounds: 3 },
    context,
    () => {},
    async ([row]) => {
      known.push(row?.samples.length ?? 0);
    },
  );
  assert.deepEqual(
    results.map(({ name, samples, better }) => [name, samples, better]),
    [["1 ms", [1, 1, 1], "lower"]],
  );
  assert.deepEqual(known, [1, 2, 3]);
  assert.deepEqual(log, ["disposed"]);
});

test("a row with a limit of rounds is measured in the first ones that count only", async () => {
  const measured: [string, number | undefined][] = [];
  const results = await measure(
    [sleeping(1), { ...sleeping(2), maxRounds: 2 }],
    { rounds: 4 },
    context,
    ({ row, round }) => measured.push([row, round]),
  );
  assert.deepEqual(
    results.map(({ samples }) => samples.length),
    [4, 2],
  );
  // Two rounds are a warm-up.
  assert.deepEqual(
    measured.flatMap(([row, round]) => (row === "2 ms" && round !== undefined ? [round] : [])),
    [3, 4],
  );
});

test("no round begins that would end after the time is up, and one is always measured", async () => {
  const left: (number | undefined)[] = [];
  const some = await measure([sleeping(20)], { rounds: 1000, forMs: 300 }, context, ({ leftMs }) =>
    left.push(leftMs),
  );
  const count = some[0]?.samples.length ?? 0;
  assert.ok(count >= 1 && count < 100, String(count));
  assert.ok(left.every((ms) => ms === undefined || ms <= 300));
  const one = await measure([sleeping(20)], { rounds: 1000, forMs: 1 }, context, () => {});
  assert.equal(one[0]?.samples.length, 1);
});
