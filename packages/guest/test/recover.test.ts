import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { CapsuleProcess } from "@wrenn/protocol";
import fc from "fast-check";
import { collect, request, shell } from "./support/collect.ts";
import { CuttingProxy } from "./support/cutting-proxy.ts";
import { NativeAgent } from "./support/native-agent.ts";

const signal = AbortSignal.timeout(120_000);
const runs = process.env["WRENN_TEST_LONG"] ? 100 : 8;
const pause = async (ms: number): Promise<void> => await new Promise((resolve) => setTimeout(resolve, ms));

async function readUntil(process: CapsuleProcess, text: string): Promise<string> {
  let seen = "";
  for await (const event of process.output("oldest", signal)) {
    if (event.type === "data") seen += Buffer.from(event.bytes).toString();
    if (seen.includes(text)) break;
  }
  return seen;
}

test("a new link finds running and ended processes, with all their output", async () => {
  await using agent = await NativeAgent.start();
  const before = await agent.connect();
  const running = await before.processes.start(
    request("sh", ["-c", "echo one; read line; echo $line; exit 5"], { tag: "running", stdin: true }),
    signal,
  );
  await readUntil(running, "one");
  const ended = await before.processes.start(
    request("sh", ["-c", "echo printed; echo complained >&2; exit 6"], { tag: "ended", output: "detached" }),
    signal,
  );
  await ended.wait(signal);
  await collect(ended);
  const ending = await before.processes.start(
    request("sh", ["-c", "sleep 0.2; echo alone; exit 7"], { tag: "ending", output: "detached" }),
    signal,
  );
  await before.detach();
  await eventually("it has ended", () => !existsSync(`/proc/${ending.facts.pid}`));

  const link = await agent.connect();
  await link.recover(signal);
  const found = await link.processes.find("running", signal);
  assert.deepEqual(
    [found.facts.pid, found.facts.cmd, found.facts.args.length, found.facts.startedAt],
    [running.facts.pid, "sh", 2, running.facts.startedAt],
  );
  await found.write(Buffer.from("two\n"), signal);
  const rest = await collect(found);
  assert.deepEqual([rest.stdout.toString(), rest.exit, rest.dropped], ["one\ntwo\n", { exitCode: 5 }, []]);
  const late = await collect(await link.processes.find("ended", signal));
  assert.deepEqual(
    [late.stdout.toString(), late.stderr.toString(), late.exit, late.dropped],
    ["printed\n", "complained\n", { exitCode: 6 }, []],
  );
  const meanwhile = await collect(await link.processes.find("ending", signal));
  assert.deepEqual([meanwhile.stdout.toString(), meanwhile.exit], ["alone\n", { exitCode: 7 }]);
  await link.recover(signal);
  assert.equal(await link.processes.find("running", signal), found, "a second time changes nothing");
  await link.detach();
});

test("a closed standard input stays closed for the new link", async () => {
  await using agent = await NativeAgent.start();
  const before = await agent.connect();
  const process = await before.processes.start(
    request("sh", ["-c", "cat; echo end; sleep 1000"], { tag: "reader", stdin: true }),
    signal,
  );
  await process.write(Buffer.from("text\n"), signal);
  await process.closeInput(signal);
  await readUntil(process, "end");
  await before.detach();
  const link = await agent.connect();
  await link.recover(signal);
  const found = await link.processes.find("reader", signal);
  await assert.rejects(found.write(Buffer.from("more"), signal), (error) =>
    WrennError.is(error, "stdin_closed"),
  );
  await found.kill(9, "tree", signal);
  await link.detach();
});

test("a terminal keeps its size and what was on it", async () => {
  await using agent = await NativeAgent.start();
  const before = await agent.connect();
  const terminal = await before.processes.start(
    request("sh", [], { tag: "tty", terminal: { cols: 90, rows: 30 } }),
    signal,
  );
  await terminal.resize(100, 40, signal);
  await terminal.write(Buffer.from("echo on $((6*7)) screen\n"), signal);
  await readUntil(terminal, "on 42 screen");
  await before.detach();
  const link = await agent.connect();
  await link.recover(signal);
  const found = await link.processes.find("tty", signal);
  assert.match(await readUntil(found, "on 42 screen"), /on 42 screen/);
  await found.write(Buffer.from("stty size; exit 3\n"), signal);
  const seen: string[] = [];
  for await (const event of found.output("oldest", signal))
    seen.push(event.type === "data" ? Buffer.from(event.bytes).toString() : JSON.stringify(event));
  const text = seen.join("");
  assert.match(text, /"cols":100,"rows":40/);
  assert.match(text, /40 100/);
  assert.match(text, /"exitCode":3/);
  await link.detach();
});

test("output that outgrew the guest's ring is announced as dropped, the rest is exact", async () => {
  await using agent = await NativeAgent.start();
  const before = await agent.connect();
  const process = await before.processes.start(
    request("sh", ["-c", "seq -f %07.0f 1 200000"], { tag: "long", output: "detached" }),
    signal,
  );
  await process.wait(signal);
  await before.detach();
  const link = await agent.connect();
  await link.recover(signal);
  let position = 0;
  let dropped = 0;
  for await (const event of (await link.processes.find("long", signal)).output("oldest", signal)) {
    if (event.type === "dropped") {
      dropped += event.to - event.from;
      position = event.to;
    }
    if (event.type !== "data") continue;
    assert.equal(event.offset, position);
    const expected = numbers(position, position + event.bytes.length);
    assert.equal(Buffer.from(event.bytes).toString(), expected);
    position += event.bytes.length;
  }
  assert.ok(dropped > 0);
  assert.equal(position, 1_600_000);
  await link.detach();
});

test("host agents that die at any moment lose nothing that fits the guest's ring, and nothing comes twice", async () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 60_000 }), { maxLength: 3 });
  const lives = fc.array(
    fc.record({ ms: fc.integer({ min: 0, max: 60 }), cuts, stale: fc.integer({ min: 0, max: 20_000 }) }),
    { minLength: 1, maxLength: 4 },
  );
  await fc.assert(
    fc.asyncProperty(lives, async (plan) => {
      await using agent = await NativeAgent.start();
      const first = await agent.connect();
      const line =
        "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo line $i; [ $((i % 20)) = 0 ] && sleep 0.01; done";
      const counting = request("sh", ["-c", `${line}; exit 9`], { tag: "counting", output: "detached" });
      const echoing = request("cat", [], { tag: "echoing", stdin: true });
      await first.processes.start(counting, signal);
      await first.processes.start(echoing, signal);
      await first.detach();
      let typed = "";
      for (const [index, { ms, cuts: bytes, stale }] of plan.entries()) {
        const directory = await mkdtemp("/tmp/wrenn-recover-");
        const paths = { interactive: join(directory, "a.sock"), bulk: join(directory, "b.sock") };
        await using _one = await CuttingProxy.listen(paths.interactive, agent.interactive, {
          cuts: bytes,
          stale,
        });
        await using _two = await CuttingProxy.listen(paths.bulk, agent.bulk, { cuts: bytes, stale });
        const link = await agent.connect(paths);
        await link.recover(signal);
        const echo = await link.processes.find("echoing", signal);
        const part = `life ${index}\n`;
        await echo.write(Buffer.from(part), signal);
        typed += part;
        assert.equal(await readUntil(echo, part), typed);
        await pause(ms);
        await link.detach();
        await rm(directory, { recursive: true });
      }
      const last = await agent.connect();
      await last.recover(signal);
      const counted = await collect(await last.processes.find("counting", signal));
      const expected = Array.from({ length: 200 }, (_, index) => `line ${index + 1}\n`).join("");
      assert.deepEqual(
        [counted.stdout.toString(), counted.exit, counted.dropped],
        [expected, { exitCode: 9 }, []],
      );
      const echo = await last.processes.find("echoing", signal);
      await echo.closeInput(signal);
      const echoed = await collect(echo);
      assert.deepEqual([echoed.stdout.toString(), echoed.exit, echoed.dropped], [typed, { exitCode: 0 }, []]);
      assert.equal((await shell(last, "echo well")).stdout.toString(), "well\n");
      await last.detach();
    }),
    { numRuns: runs, endOnFailure: true },
  );
});

/** Bytes `from` up to `to` of the output of `seq -f %07.0f`. */
function numbers(from: number, to: number): string {
  let text = "";
  for (let line = Math.floor(from / 8); line * 8 < to; line++)
    text += `${String(line + 1).padStart(7, "0")}\n`;
  return text.slice(from % 8, (from % 8) + to - from);
}
