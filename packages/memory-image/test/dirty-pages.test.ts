import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import {
  decodeDiffIndex,
  decodeHeader,
  encodeDiffIndex,
  findDirtyPages,
  pageSize,
} from "@wrenn/memory-image";

const signal = new AbortController().signal;

test("a host that swaps is refused", async () => {
  const directory = await mkdtemp(join(tmpdir(), "wrenn-swap-"));
  try {
    const table = join(directory, "swaps");
    await writeFile(table, "Filename Type Size Used Priority\n/dev/sda2 partition 1024 0 -2\n");
    const memory = { pid: process.pid, address: 4096n, size: pageSize };
    await assert.rejects(findDirtyPages(memory, signal, table), (error) =>
      WrennError.is(error, "host_swap_on"),
    );
  } finally {
    await rm(directory, { recursive: true });
  }
});

test("a process that is gone, or ended and is not waited for, is a machine that died", async (t) => {
  const died = (error: unknown): boolean => WrennError.is(error, "machine_died");
  const gone = spawn("true");
  await once(gone, "close");
  // The program that takes the shell's place never waits for the shell's child, which lives until that has happened: a shell may.
  const parent = spawn("sh", ["-c", "exec 3<&0; cat <&3 >&2 & echo $!; exec sleep 600"]);
  t.after(() => parent.kill("SIGKILL"));
  const [line] = (await once(parent.stdout, "data")) as [Buffer];
  const ended = Number(line.toString("utf8"));
  await eventually("the shell has been replaced", async () => {
    return (await readFile(`/proc/${parent.pid ?? 0}/comm`, "utf8")) === "sleep\n";
  });
  parent.stdin.end();
  await eventually("the child is a zombie", async () =>
    /^State:\s+Z/m.test(await readFile(`/proc/${ended}/status`, "utf8")),
  );
  for (const pid of [gone.pid ?? 0, ended])
    await assert.rejects(findDirtyPages({ pid, address: 4096n, size: pageSize }, signal), died);
});

test("a process that dies while its pages are read is a machine that died", async (t) => {
  const child = spawn("sleep", ["600"]);
  t.after(() => child.kill("SIGKILL"));
  const { pid = 0 } = child;
  await once(child, "spawn");
  const stack = await eventually("the child has a stack", async () =>
    /^([0-9a-f]+)-([0-9a-f]+) .*\[stack\]$/m.exec(await readFile(`/proc/${pid}/maps`, "utf8")),
  );
  const [, from = "", to = ""] = stack;
  const address = BigInt(`0x${from}`);
  const dirty = await findDirtyPages({ pid, address, size: Number(BigInt(`0x${to}`) - address) }, signal);
  assert.ok(dirty.count > 0, "a stack has been written to");
  child.kill("SIGKILL");
  await once(child, "close");
  await assert.rejects(dirty.runs(signal)[Symbol.asyncIterator]().next(), (error) =>
    WrennError.is(error, "machine_died"),
  );
});

test("a diff index is what was written, and any flipped byte is found", () => {
  const index = { memorySize: 10 * pageSize, pages: [1, 2, 7], zeros: [0, 9] };
  const bytes = encodeDiffIndex(index);
  assert.deepEqual(decodeDiffIndex(bytes, "test"), index);
  for (let at = 0; at < 48 + 5 * 8; at += 1) {
    const damaged = Buffer.from(bytes);
    damaged[at] = (damaged[at] ?? 0) ^ 0x10;
    assert.throws(
      () => decodeDiffIndex(damaged, "test"),
      (error) => WrennError.is(error, "snapshot_corrupt"),
    );
  }
});

test("random bytes are no header", () => {
  assert.throws(
    () => decodeHeader(Buffer.alloc(200, 1), "test"),
    (error) => WrennError.is(error, "snapshot_corrupt"),
  );
});
