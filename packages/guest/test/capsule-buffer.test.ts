import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { GuestLink } from "@wrenn/guest";
import { CapsuleBuffer } from "../src/memory/capsule-buffer.ts";
import { collect, request } from "./support/collect.ts";
import { NativeAgent } from "./support/native-agent.ts";

const signal = AbortSignal.timeout(60_000);
const MIB = 1 << 20;

async function connect(agent: NativeAgent, bufferBytes: number): Promise<GuestLink> {
  const { interactive, bulk } = agent;
  return await GuestLink.connect(
    { interactive, bulk, clock: systemClock, logger: silentLogger, random: systemRandom, bufferBytes },
    signal,
  );
}

test("what is reclaimable makes way, the oldest and what is not read first; growth leaves a quarter free", () => {
  const buffer = new CapsuleBuffer(1000);
  const reclaimed: string[] = [];
  const held = (name: string, inUse: boolean): void => {
    const share = buffer.open();
    share.set(200);
    buffer.addReclaimable({
      inUse,
      reclaim: () => {
        reclaimed.push(name);
        share.close();
      },
    });
  };
  held("read", true);
  held("oldest", false);
  held("newest", false);
  const share = buffer.open();
  assert.ok(share.reserve(150, "growth") && !share.reserve(800, "growth"), "growth beyond three quarters");
  assert.deepEqual(reclaimed, ["oldest", "newest"]);
  assert.ok(share.reserve(900) && !share.reserve(950), "work fills what is left for requests");
  assert.ok(share.reserve(1000, "request") && !share.reserve(1001, "request"));
  assert.deepEqual(reclaimed, ["oldest", "newest", "read"]);
  share.close();
  assert.equal(buffer.used, 0);
});

test("logs of ended processes go first when a capsule's memory is full, and readers are told", async () => {
  await using agent = await NativeAgent.start();
  const link = await connect(agent, 4 * MIB);
  const print = async (output: "attached" | "detached"): Promise<string> => {
    const line = "head -c 900000 /dev/zero; echo end";
    const process = await link.processes.start(request("sh", ["-c", line], { output }), signal);
    assert.equal((await collect(process)).exit?.exitCode, 0);
    return String(process.facts.tag);
  };
  const first = await print("detached");
  for (let round = 0; round < 12; round++) {
    await print(round % 2 === 0 ? "attached" : "detached");
    assert.ok(link.bufferedBytes <= 4.3 * MIB, `${link.bufferedBytes} bytes`);
  }
  const { stdout, dropped } = await collect(await link.processes.find(first, signal));
  assert.equal(stdout.length, 0);
  assert.deepEqual(dropped, ["stdout 0-900004"]);
  await link.detach();
});

test(
  "any number of commands, downloads and uploads at once move on in little memory, exactly",
  { timeout: 60_000 },
  async () => {
    await using agent = await NativeAgent.start();
    const link = await connect(agent, 10 * MIB);
    const size = 700_000;
    const commands = Array.from({ length: 24 }, async () => {
      const line = `head -c ${size} /dev/zero; head -c ${size} /dev/zero >&2`;
      const { stdout, stderr, dropped } = await collect(
        await link.processes.start(request("sh", ["-c", line]), signal),
      );
      assert.deepEqual([stdout.length, stderr.length, dropped], [size, size, []]);
    });
    const files = Array.from({ length: 8 }, async (_, index) => {
      const path = `${agent.directory}/file-${index}`;
      await link.files.write(
        path,
        (async function* () {
          for (let at = 0; at < 40; at++) yield Buffer.alloc(50_000, at);
        })(),
        { signal },
      );
      let read = 0;
      for await (const bytes of (await link.files.read(path, { signal })).bytes) read += bytes.length;
      assert.equal(read, 2_000_000);
    });
    await Promise.all([...commands, ...files]);
    await eventually("only logs of ended processes are left", () => link.bufferedBytes <= 10 * MIB);
    await link.detach();
  },
);

test("a process without room for its output is refused, and one that ends makes room", async () => {
  await using agent = await NativeAgent.start();
  const link = await connect(agent, MIB);
  const running = [];
  for (;;) {
    try {
      running.push(await link.processes.start(request("sleep", ["100"]), signal));
    } catch (error) {
      assert.equal((error as { reason?: string }).reason, "guest_busy");
      break;
    }
  }
  assert.ok(running.length > 4, `${running.length} processes`);
  assert.ok(link.bufferedBytes <= MIB);
  for (const process of running) await process.kill(9, "tree", signal);
  await Promise.all(running.map((process) => process.wait(signal)));
  await eventually("there is room again", async () => {
    const process = await link.processes.start(request("true"), signal).catch(() => undefined);
    return process !== undefined;
  });
  await link.detach();
});

test("sizes of a terminal are bounded, and a reader gets the last one", async () => {
  await using agent = await NativeAgent.start();
  const link = await connect(agent, 4 * MIB);
  const process = await link.processes.start(
    request("sh", ["-c", "sleep 100"], { terminal: { cols: 80, rows: 24 } }),
    signal,
  );
  const seen: string[] = [];
  const gone = new AbortController();
  const reading = (async () => {
    for await (const event of process.output("oldest", gone.signal))
      if (event.type === "resized") seen.push(`${event.cols}x${event.rows}`);
  })();
  for (let cols = 1; cols <= 300; cols++) await process.resize(cols, 10, signal);
  await eventually("the reader has the last size", () => seen.at(-1) === "300x10");
  const late: string[] = [];
  for await (const event of process.output("oldest", signal)) {
    if (event.type === "resized") late.push(`${event.cols}x${event.rows}`);
    break;
  }
  assert.deepEqual(late, ["300x10"], "all of them were kept though nothing was printed");
  gone.abort(new Error("enough"));
  await assert.rejects(reading);
  await process.kill(9, "tree", signal);
  await link.detach();
});
