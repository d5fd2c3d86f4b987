import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, test } from "node:test";
import { Capsule, isWrennError } from "@wrenn/sdk";
import type { CommandResult, ConnectionOptions } from "@wrenn/sdk";
import { FaultProxy } from "../support/fault-proxy.ts";
import type { Fault } from "../support/fault-proxy.ts";
import { ServerProcess } from "../support/server-process.ts";

const long = process.env["WRENN_TEST_LONG"] === "1";
const BYTES = long ? 2_000_000_000 : 30_000_000;
/** Above what it was before; buffers of sockets and garbage that is not collected yet are in it. */
const GROWTH_MIB = 96;

const server = await ServerProcess.start();
const target = { host: "127.0.0.1", port: Number(new URL(server.api.url).port) };
const proxy = await FaultProxy.start({ target });
after(async () => {
  await proxy[Symbol.asyncDispose]();
  await server.close();
});
const id = await server.api.capsule(undefined);

const connect = async (options: ConnectionOptions = {}): Promise<Capsule> =>
  await Capsule.get(id, { url: server.api.url, apiKey: server.api.apiKey, ...options });
const { commands } = await connect();
const lines = (count: number): string => Array.from({ length: count }, (_, n) => `${n + 1}\n`).join("");
/** Whether processes whose command line has `word` are left in the capsule. */
const isLeft = async (word: string): Promise<boolean> =>
  (await commands.run(`ps -eo args= | grep -F ${word} | grep -v grep | wc -l`)).stdout !== "0\n";

test("a command has its output, exit code or signal, environment, directory and user", async () => {
  const { durationMs, ...result } = await commands.run(
    'echo "$NAME in $PWD as $(id -un)"; echo oops >&2; exit 3',
    { envs: { NAME: "ä" }, cwd: "/tmp", user: "user" },
  );
  assert.deepEqual(result, {
    stdout: "ä in /tmp as user\n",
    stderr: "oops\n",
    exitCode: 3,
    droppedBytes: { stdout: 0, stderr: 0 },
    truncatedBytes: { stdout: 0, stderr: 0 },
  });
  assert.ok(durationMs < 10_000);
  const killed = await commands.run("kill -TERM $$");
  assert.deepEqual([killed.exitCode, killed.signal], [143, 15]);
  assert.equal((await commands.run("printf", { args: ["%s|", "a b", "$HOME"] })).stdout, "a b|$HOME|");
  await assert.rejects(commands.run("x", { cwd: "/none" }), (error) => isWrennError(error, "cwd_not_found"));
  await assert.rejects(commands.run("x", { timeout: 1 } as object), { code: "unknown_option" });
});

test("a process limit of the command holds", async () => {
  assert.equal((await commands.run("ulimit -n", { limits: { openFiles: 33 } })).stdout, "33\n");
});

test("output arrives whole and in order while a slow callback sets the pace", async () => {
  const hash = createHash("sha256");
  let received = 0;
  const { exitCode, stderr, droppedBytes } = await commands.run(
    "seq 1 400000; seq 1 400000 | sha256sum >&2",
    {
      encoding: "bytes",
      onStdout: async (bytes) => {
        received += bytes.length;
        hash.update(bytes);
        if (received < 500_000) await new Promise((resolve) => setTimeout(resolve, 20));
      },
    },
  );
  assert.deepEqual([exitCode, droppedBytes.stdout], [0, 0]);
  assert.equal(stderr.split(" ")[0], hash.digest("hex"));
});

test(`the heap stays flat over ${BYTES} bytes, and what is left out of a result is counted`, async (t) => {
  let [received, peak] = [0, 0];
  const timer = setInterval(() => {
    const { heapUsed, external, arrayBuffers } = process.memoryUsage();
    peak = Math.max(peak, heapUsed + external + arrayBuffers);
  }, 50);
  const { heapUsed, external, arrayBuffers } = process.memoryUsage();
  const start = heapUsed + external + arrayBuffers;
  const streamed = await commands.run(`yes | head -c ${BYTES}`, {
    onStdout: (text) => void (received += text.length),
  });
  clearInterval(timer);
  assert.deepEqual([received, streamed.stdout, streamed.droppedBytes.stdout], [BYTES, "", 0]);
  const growth = (peak - start) / (1 << 20);
  t.diagnostic(`${growth.toFixed(0)} MiB`);
  assert.ok(growth < GROWTH_MIB, `${growth.toFixed(0)} MiB`);
  const kept = await commands.run("yes | head -c 12000000", { maxOutputBytes: 1_000_000 });
  assert.deepEqual([kept.stdout.length, kept.truncatedBytes.stdout], [1_000_000, 11_000_000]);
});

test("text is right wherever characters are cut, and raw bytes are available", async () => {
  const script =
    "import sys,time\nfor b in 'ä€😀'.encode()*3:\n sys.stdout.buffer.write(bytes([b])); sys.stdout.flush(); time.sleep(0.01)\nsys.stdout.buffer.write(b'\\xff\\xc3')";
  let text = "";
  await commands.run("python3", { args: ["-c", script], onStdout: (chunk) => void (text += chunk) });
  assert.equal(text, `${"ä€😀".repeat(3)}\ufffd\ufffd`);
  const { stdout, stdoutBytes } = await commands.run("printf 'a\\377'", { encoding: "bytes" });
  assert.deepEqual([stdout, [...stdoutBytes]], ["a\ufffd", [97, 255]]);
});

test("standard input is exact: text, and a stream whose reader is slow", async () => {
  assert.equal((await commands.run("cat", { stdin: "ä\n" })).stdout, "ä\n");
  const chunk = new Uint8Array(100_000).fill(0x61);
  const source = async function* (): AsyncGenerator<Uint8Array> {
    for (let n = 0; n < 12; n++) yield chunk;
  };
  const { stdout } = await commands.run("sleep 0.5; wc -c", { stdin: source() });
  assert.equal(stdout.trim(), "1200000");
  assert.equal((await commands.run("true", { stdin: source() })).exitCode, 0);
});

test("a command in the background is listed, takes input, is followed by others, and ends by a kill", async () => {
  const handle = await commands.run("while read line; do echo got $line; done; sleep 100", {
    background: true,
    stdin: true,
    tag: "reader",
  });
  await handle.sendStdin("one\ntw");
  await handle.sendStdin("o\n");
  const listed = await commands.list();
  assert.deepEqual(
    listed.map(({ pid, tag, cmd, isTerminal }) => ({ pid, tag, cmd, isTerminal })),
    [{ pid: handle.pid, tag: "reader", cmd: "/bin/sh", isTerminal: false }],
  );
  let text = "";
  for await (const chunk of handle) {
    text += chunk.text;
    if (text.endsWith("two\n")) break;
  }
  assert.equal(text, "got one\ngot two\n");
  const other = await commands.connect("reader", { from: handle.offset });
  await other.sendStdin("three\n");
  for await (const chunk of other) {
    assert.equal(chunk.text, "got three\n");
    break;
  }
  assert.equal((await commands.logs("reader")).stdout.text, "got one\ngot two\ngot three\n");
  await handle.closeStdin();
  assert.equal(await handle.kill(), true);
  const { exitCode, signal, stdout } = await handle.wait();
  assert.deepEqual([exitCode, signal, stdout], [137, 9, "got three\n"]);
  assert.deepEqual((await commands.get("reader")).exit, { exitCode: 137, signal: 9, isTimedOut: false });
});

test("a detached command goes on after its handle; one that is disposed of ends", async () => {
  {
    await using detached = await commands.run("sleep 987", { background: true, tag: "detached" });
    detached.detach();
    await using disposed = await commands.run("sleep 986", { background: true });
    void disposed;
  }
  assert.deepEqual([await isLeft("987"), await isLeft("986")], [true, false]);
  assert.equal(await commands.kill("detached"), true);
  assert.equal(await commands.kill("detached-never"), false);
});

test("abort, timeout and a throwing callback end the command and what it started, and nothing else", async () => {
  // The inner ones ignore SIGTERM; one has left the session.
  const stubborn = (word: string): string =>
    `trap '' TERM; setsid sh -c "trap '' TERM; sleep ${word}1" & sh -c 'sleep ${word}2' & echo up; wait; sleep ${word}3`;
  await using bystander = await commands.run("sleep 4321", { background: true });
  const reason = new Error("enough");
  const fault = new Error("the callback's own");
  const controller = new AbortController();
  const onStdout = (): void => controller.abort(reason);
  const throwing = (): void => {
    throw fault;
  };
  const limited = await commands.run(stubborn("780"), { timeoutMs: 1000, background: true });
  await Promise.all([
    assert.rejects(commands.run(stubborn("777"), { onStdout, signal: controller.signal }), reason),
    assert.rejects(commands.run(stubborn("778"), { timeoutMs: 4000 }), (error) => {
      assert.ok(isWrennError(error, "command_timed_out"));
      const { result } = error.details as { readonly result: CommandResult };
      assert.deepEqual([result.stdout, result.exitCode], ["up\n", 124]);
      return true;
    }),
    assert.rejects(commands.run(stubborn("779"), { onStdout: throwing }), fault),
    assert.rejects(limited.wait(), { code: "command_timed_out" }),
  ]);
  for (const word of ["777", "778", "779", "780"]) assert.equal(await isLeft(word), false, word);
  assert.equal(await isLeft("4321"), true);
  assert.equal(await bystander.kill(), true);
});

const faults: readonly (readonly [string, Fault])[] = [
  ["before the start arrives", { on: /^POST .*\/exec$/, kind: "cut" }],
  ["before the answer to the start", { on: /^POST .*\/exec$/, kind: "cut", after: { responseBytes: 1 } }],
  ["between the answer and the stream", { on: /^GET .*\/output/, kind: "cut" }],
  ["in the stream", { on: /^GET .*\/output/, kind: "cut", after: { responseBytes: 20_000 } }],
  ["in the stream, in good order", { on: /^GET .*\/output/, kind: "end", after: { responseBytes: 30_001 } }],
  ["silently", { on: /^GET .*\/output/, kind: "halt", after: { responseBytes: 10_000 } }],
  ["during input", { on: /^POST .*\/input/, kind: "cut", after: { requestBytes: 70_000 } }],
  ["before the answer to input", { on: /^POST .*\/input/, kind: "cut", after: { responseBytes: 1 } }],
];
for (const [when, fault] of faults)
  test(`a connection that breaks ${when} changes nothing`, async () => {
    const broken: string[] = [];
    const { commands: proxied } = await connect({
      url: proxy.url,
      silenceMs: 1500,
      onRetry: ({ error }) => broken.push(error.code),
    });
    await commands.run(": >/tmp/runs");
    proxy.plan(fault);
    const stdin = lines(20_000);
    let text = "";
    const { exitCode } = await proxied.run("echo x >>/tmp/runs; sleep 0.3; cat; exit 7", {
      stdin,
      onStdout: (chunk) => void (text += chunk),
    });
    assert.equal(exitCode, 7);
    assert.ok(text === stdin, `${text.length} of ${stdin.length} characters`);
    assert.equal((await commands.run("cat /tmp/runs")).stdout, "x\n");
    assert.ok(broken.length > 0, "nothing broke");
  });

test("the result of a large output is whole when the answer to its start is lost", async () => {
  const { commands: proxied } = await connect({ url: proxy.url });
  proxy.plan({ on: /^POST .*\/exec$/, kind: "cut", after: { responseBytes: 1 } });
  const { stdout, droppedBytes } = await proxied.run("seq 1 300000");
  assert.equal(droppedBytes.stdout, 0);
  assert.ok(stdout === lines(300_000), `${stdout.length} characters`);
});

test("a quiet command returns through a proxy that cuts idle connections before it ends", async () => {
  let breaks = 0;
  const { commands: proxied } = await connect({ url: proxy.url, onRetry: () => breaks++ });
  proxy.plan({ on: /./, kind: "cut", after: { idleMs: 400 } }, 1000);
  let text = "";
  const [quiet] = await Promise.all([
    proxied.run("sleep 2; echo done"),
    proxied.run("sleep 2; echo done", { onStdout: (chunk) => void (text += chunk) }),
  ]);
  proxy.clear();
  assert.deepEqual([quiet.stdout, text], ["done\n", "done\n"]);
  assert.ok(breaks >= 4, `${breaks} breaks`);
});
