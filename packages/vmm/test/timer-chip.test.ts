import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { hasTimerChip } from "../src/qemu/timer-chip.ts";

const directory = await mkdtemp(join(tmpdir(), "wrenn-chip-"));
after(() => rm(directory, { recursive: true, force: true }));

async function stateOf(...parts: readonly (string | Buffer)[]): Promise<string> {
  const path = join(directory, "state");
  await writeFile(path, Buffer.concat(parts.map((part) => Buffer.from(part as string))));
  return path;
}

/** How QEMU begins a device in a saved state: mark, number of the section, name. */
function section(name: string): Buffer {
  return Buffer.concat([Buffer.from([0x04, 0, 0, 0, 0x0e, name.length]), Buffer.from(name)]);
}

test("a state has a timer chip when it has a section of that device", async () => {
  assert.equal(await hasTimerChip(await stateOf("QEVM", section("ioapic"), section("i8254"), "x")), true);
  assert.equal(await hasTimerChip(await stateOf("QEVM", section("ioapic"), section("i8259"))), false);
  assert.equal(await hasTimerChip(await stateOf(section("i8254"))), true);
});

test("the chip's name elsewhere in a state, as in what a guest wrote, is no section", async () => {
  const written = Buffer.from("\u0005i8254", "latin1");
  assert.equal(await hasTimerChip(await stateOf(written, "QEVM", section("ioapic"), written)), false);
  assert.equal(await hasTimerChip(await stateOf(written, section("i8254"))), true);
});

test("a state that cannot be read is an error", async () => {
  await assert.rejects(hasTimerChip(join(directory, "nowhere")), { code: "ENOENT" });
});
