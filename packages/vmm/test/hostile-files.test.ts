import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, rm, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { after, before, suite, test } from "node:test";
import { runCommand } from "@wrenn/system";
import { CONSOLE_RING } from "@wrenn/vmm";
import { lastComplaint, lastConsoleLine } from "../src/qemu/console-tail.ts";
import { readExitReport } from "../src/qemu/exit-report.ts";
import { limitState } from "../src/qemu/limit-state.ts";
import { findMemoryRegion, MemorySearch } from "../src/qemu/memory-region.ts";
import { writeToConsole } from "./support/console-ring-file.ts";

/* Files of a machine's directory, its mappings and its state: what a process that has been taken over writes there. */

const MIB = 1 << 20;
let directory = "";
let secret = "";

before(async () => {
  directory = await mkdtemp("/tmp/whf-");
  secret = join(directory, "secret");
  await writeFile(secret, "TOP SECRET\n");
});
after(() => rm(directory, { recursive: true, force: true }));

/** A machine's directory in which `name` is what `make` puts there. */
async function directoryWith(name: string, make: (path: string) => Promise<unknown>): Promise<string> {
  const machine = await mkdtemp(join(directory, "m-"));
  await make(join(machine, name));
  return machine;
}

const odd: readonly (readonly [string, (path: string) => Promise<unknown>])[] = [
  ["a link to a file of the host", (path) => symlink(secret, path)],
  ["a link to a device without an end", (path) => symlink("/dev/zero", path)],
  ["a pipe that no one writes", (path) => runCommand(["mkfifo", path])],
  ["a directory", (path) => mkdir(path)],
  ["nothing", async () => {}],
];

suite("neither a console nor an exit report is read of", () => {
  for (const [what, make] of odd)
    test(what, { timeout: 10_000 }, async () => {
      const console = await directoryWith(CONSOLE_RING, make);
      assert.deepEqual([await lastConsoleLine(console), await lastComplaint(console)], ["", ""]);
      const exit = await directoryWith("exit.json", make);
      assert.equal(await readExitReport(join(exit, "exit.json")), undefined);
    });
});

test("of a console without an end the last line is read", async () => {
  const before = process.memoryUsage().rss;
  const machine = await directoryWith(CONSOLE_RING, async (path) => {
    for (let part = 0; part < 20; part++) await writeToConsole(path, "-".repeat(MIB));
    await writeToConsole(path, `\nkvm: \u001b[31mno\u0007 more\r\n${"x".repeat(1000)}\n`);
  });
  assert.equal(await lastConsoleLine(machine), "x".repeat(200));
  assert.equal(await lastComplaint(machine), "kvm: [31mno more");
  assert.ok(process.memoryUsage().rss - before < 64 * MIB);
});

suite("an exit report that the supervisor did not write is none", () => {
  const good = { pid: 5, code: -1, signal: 9, at: 1 };
  const texts: readonly (readonly [string, string])[] = [
    ["empty", ""],
    ["null", "null"],
    ["a list", "[0]"],
    ["text in place of numbers", JSON.stringify({ ...good, code: "0" })],
    ["a code out of range", JSON.stringify({ ...good, code: 1e9 })],
    ["no signal", '{"code": 0}'],
    ["half of one", JSON.stringify(good).slice(0, 20)],
    ["1 MiB", JSON.stringify({ ...good, text: "x".repeat(MIB) })],
  ];
  for (const [what, text] of texts)
    test(what, async () => {
      const machine = await directoryWith("exit.json", (path) => writeFile(path, text));
      assert.equal(await readExitReport(join(machine, "exit.json")), undefined);
    });

  test("and its own is read", async () => {
    const machine = await directoryWith("exit.json", (path) => writeFile(path, `${JSON.stringify(good)}\n`));
    assert.deepEqual(await readExitReport(join(machine, "exit.json")), { code: -1, signal: 9 });
  });
});

suite("a device state", () => {
  const endless = Readable.from(
    (function* () {
      for (;;) yield Buffer.alloc(64 << 10);
    })(),
  );

  test("without an end is refused at the limit", async () => {
    let written = 0;
    const sink = async (chunks: AsyncIterable<Buffer>): Promise<void> => {
      for await (const chunk of chunks) written += chunk.length;
    };
    await assert.rejects(pipeline(endless, limitState(4 * MIB), sink), {
      reason: "operation_failed",
      message: /more than 4194304 bytes/,
    });
    assert.ok(written <= 4 * MIB, `${written} bytes`);
  });

  test("that is empty is refused", async () => {
    await assert.rejects(pipeline(Readable.from([]), limitState(MIB), buffer), {
      reason: "operation_failed",
      message: /sends nothing/,
    });
  });

  test("that fits passes unchanged", async () => {
    const state = Buffer.alloc(MIB, 7);
    assert.deepEqual(await pipeline(Readable.from([state]), limitState(MIB), buffer), state);
  });
});

suite("the guest's memory among the mappings of a process", () => {
  const page = 4096n;
  const search = (
    size: bigint,
    pieces: readonly (readonly [from: bigint, pages: bigint, offset: bigint, inode: bigint])[],
  ): bigint | undefined => {
    const memory = new MemorySearch(7n, size * page);
    for (const [from, pages, offset, inode] of pieces)
      memory.take({ from: from * page, to: (from + pages) * page, offset: offset * page, inode });
    const found = memory.finish();
    return found === undefined ? undefined : found / page;
  };

  test("is found in one piece, and in pieces with others between them", () => {
    assert.equal(
      search(4n, [
        [1n, 2n, 0n, 3n],
        [10n, 4n, 0n, 7n],
      ]),
      10n,
    );
    assert.equal(
      search(4n, [
        [10n, 1n, 0n, 7n],
        [11n, 2n, 0n, 0n],
        [13n, 1n, 3n, 7n],
        [14n, 9n, 0n, 0n],
      ]),
      10n,
    );
    assert.equal(
      search(4n, [
        [10n, 1n, 0n, 0n],
        [11n, 3n, 1n, 7n],
      ]),
      10n,
    );
  });

  test("is not found with a gap, of another file, or where it is shorter", () => {
    assert.equal(
      search(4n, [
        [10n, 2n, 0n, 7n],
        [13n, 2n, 2n, 7n],
      ]),
      undefined,
    );
    assert.equal(search(4n, [[10n, 4n, 0n, 8n]]), undefined);
    assert.equal(search(4n, [[10n, 3n, 0n, 7n]]), undefined);
    assert.equal(search(4n, [[10n, 4n, 900n, 7n]]), undefined);
  });

  test("is looked for once in each of 65,000 pieces", () => {
    const pieces = Array.from(
      { length: 65_000 },
      (_, index) => [BigInt(100_000 + index), 1n, BigInt(index % 2 === 0 ? 0 : 9), 7n] as const,
    );
    const begun = performance.now();
    assert.equal(search(1n << 30n, pieces), undefined);
    assert.ok(performance.now() - begun < 1000, `${performance.now() - begun} ms`);
  });

  test("is looked for in bounded memory where a process has 60,000 mappings with paths of 3 KiB", async () => {
    const deep = join(directory, ...Array.from({ length: 15 }, () => "d".repeat(200)));
    await mkdir(deep, { recursive: true });
    const file = join(deep, "memory");
    await writeFile(file, Buffer.alloc(8192));
    // Neighbours of different permissions stay mappings of their own.
    const script = `
import ctypes, mmap, sys
libc = ctypes.CDLL(None)
libc.mmap.restype = ctypes.c_void_p
libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
file = open(sys.argv[1], "rb")
base = libc.mmap(None, 4096 * 60000, 0, 0x22, -1, 0)
for page in range(60000):
    libc.mmap(base + page * 4096, 4096, 1 + page % 2 * 4, 0x12, file.fileno(), 0)
print("mapped", flush=True)
sys.stdin.read()`;
    const child = spawn("python3", ["-c", script, file], { stdio: ["pipe", "pipe", "inherit"] });
    try {
      await once(child.stdout, "data");
      const before = process.memoryUsage().rss;
      let [worst, last] = [0, performance.now()];
      const beat = setInterval(() => {
        worst = Math.max(worst, performance.now() - last);
        last = performance.now();
      }, 5);
      const begun = performance.now();
      await assert.rejects(findMemoryRegion(child.pid ?? 0, file, 2 ** 30), {
        reason: "operation_failed",
        message: /list of mappings of process \d+ is longer/,
      });
      clearInterval(beat);
      assert.ok(performance.now() - begun < 10_000, `${performance.now() - begun} ms`);
      assert.ok(worst < 500, `nothing else ran for ${worst} ms`);
      assert.ok(process.memoryUsage().rss - before < 96 * MIB);
      assert.ok((await stat(file)).size === 8192);
    } finally {
      child.kill("SIGKILL");
    }
  });

  test("of a process that is gone is an error", async () => {
    const child = spawn("true");
    await once(child, "exit");
    await assert.rejects(findMemoryRegion(child.pid ?? 0, secret, 4096), { reason: "machine_died" });
  });
});
