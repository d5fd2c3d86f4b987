import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { test } from "node:test";
import { isWrennError } from "../src/errors/wrenn-error.ts";
import { sleep } from "../src/transport/abort.ts";
import { ScriptedCapsule } from "./support/scripted-capsule.ts";
import type { Program } from "./support/scripted-process.ts";

const countdown: Program = (process) => {
  process.print("3\n");
  setTimeout(() => process.print("2\n", "stderr"), 100);
  setTimeout(() => process.print("1\n"), 200);
  setTimeout(() => process.end({ exit_code: 9 }), 250);
};

test("a loop gives the output as it arrives, and wait the exit without a copy", async () => {
  await using capsule = await ScriptedCapsule.start(countdown);
  const handle = await capsule.commands().run("x", { background: true });
  assert.deepEqual([handle.pid, handle.tag], [100, capsule.process.tag]);
  const seen: string[] = [];
  for await (const { stream, text } of handle) seen.push(`${stream} ${text.trim()}`);
  assert.deepEqual(seen, ["stdout 3", "stderr 2", "stdout 1"]);
  const { exitCode, stdout } = await handle.wait();
  assert.deepEqual([exitCode, stdout, handle.offset], [9, "", { stdout: 4, stderr: 2 }]);
});

test("nothing is read before a loop or a wait, and wait gives the output", async () => {
  await using capsule = await ScriptedCapsule.start(countdown);
  const handle = await capsule.commands().run("x", { background: true });
  await sleep(30);
  assert.deepEqual(capsule.requests, ["POST /exec"]);
  const [first, second] = await Promise.all([handle.wait(), handle.wait()]);
  assert.deepEqual(first, second);
  assert.deepEqual([first.stdout, first.stderr, first.exitCode], ["3\n1\n", "2\n", 9]);
  assert.equal(capsule.requests.length, 2);
});

test("a loop that begins while wait reads takes over, whole", async () => {
  await using capsule = await ScriptedCapsule.start(countdown);
  const handle = await capsule.commands().run("x", { background: true });
  const result = handle.wait();
  await sleep(30);
  let text = "";
  for await (const chunk of handle) text += chunk.text;
  assert.equal(text, "3\n2\n1\n");
  const { stdout, exitCode } = await result;
  assert.deepEqual([stdout, exitCode], ["", 9]);
});

test("a loop that is left is continued by the next one, or by wait", async () => {
  await using capsule = await ScriptedCapsule.start(countdown);
  const handle = await capsule.commands().run("x", { background: true });
  for await (const { text } of handle) {
    assert.equal(text, "3\n");
    break;
  }
  const loop = handle[Symbol.asyncIterator]();
  assert.equal((await loop.next()).value?.text, "2\n");
  await assert.rejects(handle[Symbol.asyncIterator]().next(), { code: "already_read" });
  await loop.return(undefined);
  assert.equal((await handle.wait()).stdout, "1\n");
});

test("dropped bytes are given with the chunk behind them, and counted in the result", async () => {
  await using capsule = await ScriptedCapsule.start((process) => {
    process.print("lost kept");
    process.forget(5);
    setTimeout(() => process.end(), 10);
  });
  const handle = await capsule.commands().run("x", { background: true });
  const [chunk] = await Array.fromAsync(handle);
  assert.deepEqual(chunk, { stream: "stdout", text: "kept", droppedBefore: 5 });
  assert.deepEqual((await handle.wait()).droppedBytes, { stdout: 5, stderr: 0 });
});

test("bytes are given as bytes", async () => {
  await using capsule = await ScriptedCapsule.start((process) => {
    process.print(Buffer.from([0xff, 0]));
    setTimeout(() => process.end(), 10);
  });
  const handle = await capsule.commands().run("x", { background: true, encoding: "bytes" });
  for await (const { bytes } of handle) assert.deepEqual(Buffer.from(bytes), Buffer.from([0xff, 0]));
  const again = await capsule.commands().connect(handle.tag, { encoding: "bytes" });
  assert.equal((await again.wait()).stdoutBytes.length, 2);
});

test("connect continues at an offset, and neither it nor its signal ends the command", async () => {
  await using capsule = await ScriptedCapsule.start(countdown);
  const commands = capsule.commands();
  const handle = await commands.run("x", { background: true });
  for await (const _ of handle) break;
  const controller = new AbortController();
  {
    await using other = await commands.connect(handle.tag, {
      from: handle.offset,
      signal: controller.signal,
    });
    for await (const { text } of other) {
      assert.equal(text, "2\n");
      break;
    }
    const reason = new Error("enough");
    const waiting = other.wait();
    controller.abort(reason);
    await assert.rejects(waiting, reason);
  }
  assert.deepEqual(capsule.process.signals, []);
  await assert.rejects(commands.connect("none"), (error) => isWrennError(error, "process_not_found"));
});

test("the signal and disposing end the command, unless it was detached or has ended", async () => {
  await using capsule = await ScriptedCapsule.start(() => undefined);
  const commands = capsule.commands();
  const { signal, abort } = ((controller) => ({
    signal: controller.signal,
    abort: (reason: Error) => controller.abort(reason),
  }))(new AbortController());
  const aborted = await commands.run("x", { background: true, tag: "aborted", signal });
  {
    await using disposed = await commands.run("x", { background: true, tag: "disposed", signal });
    void disposed;
  }
  {
    await using detached = await commands.run("x", { background: true, tag: "detached", signal });
    const waiting = detached.wait();
    detached.detach();
    await assert.rejects(waiting, { name: "AbortError" });
  }
  const ended = await commands.run("x", { background: true, tag: "ended", signal });
  capsule.processes.get("ended")?.end();
  await ended.wait();
  assert.equal(getEventListeners(signal, "abort").length, 1);
  const reason = new Error("enough");
  const waiting = aborted.wait();
  abort(reason);
  await assert.rejects(waiting, reason);
  const signals = (tag: string): unknown => capsule.processes.get(tag)?.signals;
  assert.deepEqual(["aborted", "disposed", "detached", "ended"].map(signals), [
    ["SIGTERM", "SIGKILL"],
    ["SIGTERM", "SIGKILL"],
    [],
    [],
  ]);
  assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("giving up a wait leaves the command, and the next wait has its result", async () => {
  await using capsule = await ScriptedCapsule.start(countdown);
  const handle = await capsule.commands().run("x", { background: true });
  await assert.rejects(handle.wait({ signal: AbortSignal.timeout(10) }), { name: "TimeoutError" });
  assert.deepEqual(capsule.process.signals, []);
  await assert.rejects(handle.wait({ check: true }), { code: "command_failed" });
});

test("kill sends its signal to everything that the command started", async () => {
  await using capsule = await ScriptedCapsule.start(() => undefined);
  const handle = await capsule.commands().run("x", { background: true });
  assert.equal(await handle.kill("SIGINT"), true);
  assert.equal((await handle.wait()).exitCode, 143);
});

test("a time limit of the server rejects loops and waits", async () => {
  await using capsule = await ScriptedCapsule.start((process) => {
    setTimeout(() => process.end({ exit_code: 124, timed_out: true }), 10);
  });
  const handle = await capsule.commands().run("x", { background: true, timeoutMs: 1000 });
  assert.equal(capsule.process.body["timeout_sec"], 1);
  await assert.rejects(Array.fromAsync(handle), { code: "command_timed_out" });
  await assert.rejects(handle.wait(), { code: "command_timed_out", message: /did not end within 1000 ms/ });
});

test("input is pumped from text, streams and iterables, and closed", async () => {
  const echo: Program = (process) => {
    process.changed.on("change", () => {
      if (!process.isInputClosed || process.exit) return;
      process.exit = { exit_code: 0 };
      process.print(process.input);
    });
  };
  await using capsule = await ScriptedCapsule.start(echo);
  const commands = capsule.commands();
  const iterable = async function* (): AsyncGenerator<string | Uint8Array> {
    yield "from ";
    yield new TextEncoder().encode("an iterable");
  };
  assert.equal((await commands.run("cat", { stdin: "text" })).stdout, "text");
  assert.equal((await commands.run("cat", { stdin: new Blob(["a stream"]).stream() })).stdout, "a stream");
  assert.equal((await commands.run("cat", { stdin: iterable() })).stdout, "from an iterable");
  const handle = await commands.run("cat", { stdin: iterable(), background: true });
  assert.equal((await handle.wait()).stdout, "from an iterable");
});

test("a source that fails ends the command and rejects with its error", async () => {
  await using capsule = await ScriptedCapsule.start(() => undefined);
  const fault = new Error("the source's own");
  const source = async function* (): AsyncGenerator<string> {
    yield "a";
    throw fault;
  };
  await assert.rejects(capsule.commands().run("cat", { stdin: source() }), fault);
  assert.deepEqual(capsule.process.signals, ["SIGTERM", "SIGKILL"]);
  const handle = await capsule.commands().run("cat", { stdin: source(), background: true });
  await assert.rejects(handle.wait(), fault);
});

test("a source that is still waiting is cancelled when the command ends", async () => {
  await using capsule = await ScriptedCapsule.start((process) => void setTimeout(() => process.end(), 30));
  let cancelled: unknown;
  const source = new ReadableStream<string>({ cancel: (reason) => void (cancelled = reason) });
  assert.equal((await capsule.commands().run("true", { stdin: source })).exitCode, 0);
  assert.match(String(cancelled), /the command has ended/);
});
