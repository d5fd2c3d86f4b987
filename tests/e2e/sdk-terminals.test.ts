import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { Capsule, isWrennError } from "@wrenn/sdk";
import type { ConnectionOptions, StartTerminalOptions, Terminal } from "@wrenn/sdk";
import { FaultProxy } from "../support/fault-proxy.ts";
import { watchGrowth } from "../support/resident-memory.ts";
import { ServerProcess } from "../support/server-process.ts";

const long = process.env["WRENN_TEST_LONG"] === "1";
const OUTPUT_BYTES = long ? 50_000_000 : 6_000_000;
/** Of this process, which has the client: buffers of sockets, and garbage that is not collected yet. */
const GROWTH_MIB = 64;

const server = await ServerProcess.start();
const target = { host: "127.0.0.1", port: Number(new URL(server.api.url).port) };
const proxy = await FaultProxy.start({ target });
after(async () => {
  await proxy[Symbol.asyncDispose]();
  await server.close();
});
const id = await server.api.capsule(undefined);
const { apiKey } = server.api;

const connect = async (options: ConnectionOptions = {}): Promise<Capsule> =>
  await Capsule.get(id, { url: proxy.url, apiKey, ...options });
const capsule = await connect();
const { pty } = capsule;

/** A program in a terminal that changes nothing of what passes through. */
const raw = (script: string): StartTerminalOptions => ({
  cmd: "sh",
  args: ["-c", `stty raw -echo; ${script}`],
});
const shell: StartTerminalOptions = { cmd: "bash", args: ["--norc", "--noprofile"], envs: { PS1: "$ " } };

/** Reads a terminal, and types into it. */
class Screen {
  text = "";
  readonly #terminal: Terminal;
  readonly #writer: WritableStreamDefaultWriter<string | Uint8Array>;
  readonly read: Promise<void>;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
    this.#writer = terminal.writable.getWriter();
    this.read = this.#read();
    this.read.catch(() => undefined);
  }

  async type(text: string | Uint8Array): Promise<void> {
    await this.#writer.write(text);
  }

  async shows(text: string | RegExp): Promise<void> {
    const has = (): boolean => (typeof text === "string" ? this.text.includes(text) : text.test(this.text));
    await eventually(`it shows ${String(text)}`, has);
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const bytes of this.#terminal.readable) this.text += decoder.decode(bytes, { stream: true });
  }
}

/** Length and hash of what a terminal prints. */
async function digestOf(
  terminal: Terminal,
  onBytes: (bytes: number) => void | Promise<void> = () => undefined,
): Promise<{ readonly bytes: number; readonly hash: string }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const part of terminal.readable) {
    hash.update(part);
    bytes += part.length;
    await onBytes(bytes);
  }
  return { bytes, hash: hash.digest("hex") };
}

test("a terminal echoes, has the size that it is given, draws full screens, and has an exit code", async () => {
  const terminal = await pty.start({ ...shell, cols: 100, rows: 30, cwd: "/tmp", user: "user" });
  const screen = new Screen(terminal);
  await screen.type("stty size; pwd; id -un; printf '\\303\\244\\360\\237\\230\\200%d\\n' 42\r");
  await screen.shows(/30 100\r\n\/tmp\r\nuser\r\n\u00E4\u{1F600}42/u);
  terminal.resize(132, 50);
  await screen.type("stty size; top; echo left-$((40+1))\r");
  await screen.shows("50 132");
  await screen.shows("Tasks:");
  await screen.type("q");
  // top discards what it has not read when it ends.
  await screen.shows("left-41");
  await screen.type("exit 7\r");
  assert.deepEqual(await terminal.exited, { exitCode: 7 });
  await screen.read;
});

test("a slow reader slows the program, and memory stays flat", async () => {
  const growth = await watchGrowth(process.pid);
  const terminal = await pty.start(raw(`head -c ${OUTPUT_BYTES} /dev/zero | tr '\\0' x`));
  let next = 0;
  const { bytes } = await digestOf(terminal, async (had) => {
    if (had < next) return;
    next = had + 1_000_000;
    await new Promise((resolve) => setTimeout(resolve, 50));
  });
  const grown = growth();
  assert.equal(bytes, OUTPUT_BYTES);
  assert.deepEqual(await terminal.exited, { exitCode: 0 });
  assert.ok(grown < GROWTH_MIB, `${grown} MiB`);
});

test("output is exact when the connection is cut in the middle of it, for longer than the log holds", async () => {
  const lines = 400_000;
  const expected = createHash("sha256")
    .update(Array.from({ length: lines }, (_, n) => `${n + 1}\n`).join(""))
    .digest("hex");
  const terminal = await pty.start(raw(`seq ${lines}`));
  let cuts = 0;
  const { hash } = await digestOf(terminal, async (bytes) => {
    if (bytes < (cuts + 1) * 500_000 || cuts === 4) return;
    cuts++;
    if (cuts > 1) return proxy.cutAll();
    // The program prints megabytes meanwhile, if it does not wait.
    await proxy.refuse();
    await new Promise((resolve) => setTimeout(resolve, 2000));
    await proxy.resume();
  });
  assert.equal(hash, expected);
  assert.deepEqual([cuts, terminal.droppedBytes, await terminal.exited], [4, 0, { exitCode: 0 }]);
});

test("a large paste is exact when the connection is cut in the middle of it", async () => {
  const paste = randomBytes(1_500_000);
  const terminal = await pty.start(raw(`echo go; head -c ${paste.length} | sha256sum; exit 5`));
  const screen = new Screen(terminal);
  await screen.shows("go");
  const cutting = setInterval(() => proxy.cutAll(), 150);
  await screen.type(paste);
  clearInterval(cutting);
  await screen.shows(createHash("sha256").update(paste).digest("hex"));
  assert.deepEqual(await terminal.exited, { exitCode: 5 });
});

test("a detached terminal runs on; connecting continues where the reader was", async () => {
  const first = await pty.start(raw("echo one; read x; echo two; sleep 30"));
  const reader = first.readable.getReader();
  assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), "one\n");
  await first.writable.getWriter().write("\n");
  await first.detach();
  const listed = await capsule.commands.list();
  assert.equal(listed.find(({ tag }) => tag === first.tag)?.isTerminal, true);
  // What had arrived can still be read.
  let text = "";
  for (let part = await reader.read(); !part.done; part = await reader.read())
    text += Buffer.from(part.value).toString();
  await assert.rejects(first.exited, (error) => isWrennError(error, "detached"));
  await using second = await pty.connect(first.tag, { from: first.offset });
  const screen = new Screen(second);
  await eventually("the rest is shown once", () => text + screen.text === "two\n");
  await using oldest = await pty.connect(first.pid);
  const replay = new Screen(oldest);
  await replay.shows("one\ntwo\n");
  await second.kill();
  assert.deepEqual(await second.exited, { exitCode: 137, signal: 9 });
  await second.kill();
});

test("a terminal goes on after its capsule was paused and resumed, connected or not", async () => {
  const terminal = await pty.start(shell);
  const screen = new Screen(terminal);
  await screen.type("echo before-$((40+2))\r");
  await screen.shows("before-42");
  await capsule.pause();
  await screen.type("echo after-$((40+3))\r");
  await capsule.resume();
  await screen.shows("after-43");
  await capsule.pause();
  proxy.cutAll();
  // It is refused until the capsule runs.
  await new Promise((resolve) => setTimeout(resolve, 500));
  await capsule.resume();
  await screen.type("echo again-$((40+4)); exit\r");
  await screen.shows("again-44");
  assert.deepEqual(await terminal.exited, { exitCode: 0 });
});

test("refusals name their reason; an abort ends the program with what it started", async () => {
  const isReason = (reason: string) => (error: unknown) =>
    isWrennError(error, reason) && error.requestId !== undefined && error.status !== undefined;
  await assert.rejects(pty.start({ cwd: "/nowhere" }), isReason("cwd_not_found"));
  await assert.rejects(pty.connect("nobody"), isReason("process_not_found"));
  const stranger = await Capsule.get(id, { url: proxy.url, apiKey });
  await assert.rejects(stranger.pty.start({ user: "nobody-here" }), isReason("user_not_found"));
  const controller = new AbortController();
  const terminal = await pty.start({
    ...raw("sleep 4242 & echo started; wait"),
    signal: controller.signal,
  });
  await new Screen(terminal).shows("started");
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(terminal.exited, (error) => error === reason);
  const left = await server.api.exec(id, "sh", ["-c", "pgrep -xf 'sleep 4242' | wc -l"]);
  assert.equal(left.body.stdout, "0\n");
});
