import assert from "node:assert/strict";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { isSameFrequency, readMeasurement, settleTscKhz } from "@wrenn/vmm";
import { frozenTscKhz } from "../src/qemu/frozen-tsc.ts";

const directory = await mkdtemp("/tmp/wtsc-");
after(() => rm(directory, { recursive: true, force: true }));
const signal = AbortSignal.timeout(10_000);
const CHUNK = 4 << 20;

test("measurements of one counter are the same frequency, other counters are not", () => {
  assert.ok(isSameFrequency(2_445_402, 2_445_402));
  assert.ok(isSameFrequency(2_445_402, 2_445_412));
  // What a kernel found out at its boot before it refined it.
  assert.ok(isSameFrequency(2_596_122, 2_595_600));
  assert.ok(!isSameFrequency(2_445_402, 2_450_000));
  assert.ok(!isSameFrequency(2_445_402, 4_000_000));
  assert.ok(!isSameFrequency(800_000, 2_445_402));
});

test("the program's answer is a frequency or an error", () => {
  assert.equal(readMeasurement('{"khz":2445402.3}\n'), 2_445_402);
  for (const line of ['{"problem":"unsteady"}', "", '{"khz":0}', '{"khz":"2445402"}', "nonsense"])
    assert.throws(() => readMeasurement(line), { reason: "tsc_unusable" }, line);
});

test("guests boot with the same frequency after every start, until the counter is another one", async () => {
  const file = join(directory, "tsc-khz");
  assert.equal(await settleTscKhz(2_445_402, file), 2_445_402);
  assert.equal(await settleTscKhz(2_445_399, file), 2_445_402);
  assert.equal(await settleTscKhz(2_445_900, file), 2_445_402);
  assert.equal(await settleTscKhz(2_596_122, file), 2_596_122);
  assert.equal(await settleTscKhz(2_596_100, file), 2_596_122);
  await writeFile(file, "damaged");
  assert.equal(await settleTscKhz(2_445_402, file), 2_445_402);
  assert.equal(await readFile(file, "utf8"), "2445402\n");
});

test("the frequency that a frozen guest booted with is found anywhere in its memory", async () => {
  const line = "console=ttyS0 tsc_early_khz=2596122 tsc=reliable";
  for (const at of [0, 5000, CHUNK - 20, CHUNK + 100, 2 * CHUNK - line.length]) {
    const memory = Buffer.alloc(2 * CHUNK + 4096);
    memory.write(line, at);
    // The kernel's own table of arguments names it, too.
    memory.write("tsc_early_khz=\0", 100_000);
    await writeFile(join(directory, "memory"), memory);
    assert.equal(await frozenTscKhz(join(directory, "memory"), signal), 2_596_122, String(at));
  }
  await writeFile(join(directory, "memory"), Buffer.alloc(CHUNK));
  assert.equal(await frozenTscKhz(join(directory, "memory"), signal), undefined);
});
