import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { getEventListeners } from "node:events";
import { test } from "node:test";

import { isWrennError } from "@wrenn/sdk";
import type { ConnectionOptions } from "@wrenn/sdk";
import { Terminals } from "../../src/terminals/terminals.ts";
import { connectionSettings } from "../../src/transport/connection.ts";
import { HttpClient } from "../../src/transport/http.ts";
import { eventually } from "../support/eventually.ts";
import { ScriptedTerminalServer } from "../support/scripted-terminal-server.ts";

const terminals = ({ url }: { readonly url: string }, options: ConnectionOptions = {}): Terminals =>
  new Terminals(new HttpClient(connectionSettings({ url, apiKey: "wrn_test", ...options })), "cl-1");

async function all(readable: ReadableStream<Uint8Array>, delayMs = 0): Promise<Buffer> {
  const parts: Uint8Array[] = [];
  for await (const part of readable) {
    parts.push(part);
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
  }
  return Buffer.concat(parts);
}

const isCode =
  (code: string) =>
  (error: unknown): boolean =>
    isWrennError(error, code);

test("a terminal has what was printed, takes what is typed, and resolves with the exit", async () => {
  await using server = await ScriptedTerminalServer.start(Buffer.from("hello"));
  const terminal = await terminals(server).start({
    cmd: "sh",
    args: ["-i"],
    cols: 100,
    rows: 30,
    envs: { A: "b" },
  });
  assert.deepEqual([terminal.tag, terminal.pid], ["pty-1", 7]);
  const [{ session_id: sessionId, ...start } = { type: "none" }] = server.received("start");
  assert.match(String(sessionId), /^[0-9a-f]{32}$/);
  assert.deepEqual(start, { type: "start", cmd: "sh", args: ["-i"], cols: 100, rows: 30, envs: { A: "b" } });
  const writer = terminal.writable.getWriter();
  await writer.write("ls\n\u00E9\uD83D");
  await writer.write("\uDE00");
  await writer.write(new Uint8Array([0, 255]));
  await writer.close();
  const typed = Buffer.concat([Buffer.from("ls\n\u00E9\u{1F600}"), Buffer.from([0, 255])]);
  assert.ok(server.inputBytes.equals(typed));
  terminal.resize(120, 40);
  await eventually("it is resized", () => server.received("resize").length > 0);
  server.exit(3);
  assert.equal((await all(terminal.readable)).toString(), "hello");
  assert.deepEqual(await terminal.exited, { exitCode: 3 });
  assert.equal(terminal.offset, 5);
});

test("a connection that breaks is reported once, and once that it is there again", async () => {
  await using server = await ScriptedTerminalServer.start(Buffer.from("hello"));
  server.faults = [{ cutOutputAfter: 2 }, { status: 503 }, { status: 503 }];
  const seen: boolean[] = [];
  const terminal = await terminals(server).start({ onConnection: (is) => seen.push(is) });
  server.exit(0);
  assert.equal((await all(terminal.readable)).toString(), "hello");
  await terminal.exited;
  assert.deepEqual(seen, [false, true]);
});

test("output is exact over cut connections, whatever the reader's pace", async () => {
  const output = randomBytes(2_000_000);
  await using server = await ScriptedTerminalServer.start(output);
  server.faults = [1, 50_000, 99_999, 300_001, 0].map((cutOutputAfter) => ({ cutOutputAfter }));
  server.exitCode = 0;
  const retries: string[] = [];
  const terminal = await terminals(server, { onRetry: ({ path }) => retries.push(path) }).start();
  assert.ok((await all(terminal.readable, 1)).equals(output));
  assert.deepEqual(await terminal.exited, { exitCode: 0 });
  assert.ok(retries.length >= 4 && retries.every((path) => path === "/v1/capsules/cl-1/pty"));
  assert.ok(server.mostAhead < 120_000, `${server.mostAhead} bytes ahead`);
});

test("input is exact over cut connections, confirmed or not", async () => {
  const input = randomBytes(1_500_000);
  await using server = await ScriptedTerminalServer.start();
  server.faults = [
    { cutInputAfter: 1, confirms: false },
    { cutInputAfter: 100_000, confirms: true },
    { cutInputAfter: 260_000, confirms: false },
    { cutBeforeStarted: true },
    { cutInputAfter: 260_001, confirms: true },
  ];
  const terminal = await terminals(server).start();
  const writer = terminal.writable.getWriter();
  await writer.write(input);
  await writer.close();
  assert.ok(server.inputBytes.equals(input));
  await terminal.detach();
});

test("writes wait for the terminal, and reads make room for output", async () => {
  await using server = await ScriptedTerminalServer.start(randomBytes(1_000_000));
  server.confirmsInput = false;
  const terminal = await terminals(server).start();
  const writer = terminal.writable.getWriter();
  let written = false;
  const writing = writer.write(new Uint8Array(1_000_000)).then(() => {
    written = true;
  });
  await eventually("a window is sent", () => server.inputBytes.length === 262_144);
  await new Promise((resolve) => setTimeout(resolve, 100));
  assert.deepEqual([written, server.inputBytes.length], [false, 262_144]);
  assert.ok(server.mostAhead < 120_000 && server.received("ack").length === 0);
  const reader = terminal.readable.getReader();
  for (let had = 0; had < 500_000;) had += (await reader.read()).value?.length ?? 0;
  assert.ok(server.mostAhead < 120_000 && server.received("ack").length > 5);
  await reader.cancel();
  server.exit(0);
  await terminal.exited;
  await assert.rejects(writing, isCode("terminal_ended"));
});

test("each key arrives once, in order and at once, and each resize in its place, also over cut connections", async () => {
  await using server = await ScriptedTerminalServer.start();
  const terminal = await terminals(server).start();
  const writer = terminal.writable.getWriter();
  let typed = "";
  const sizes: { readonly cols: number; readonly at: number }[] = [];
  const resize = (): void => {
    sizes.push({ cols: 100 + sizes.length, at: typed.length });
    terminal.resize(100 + sizes.length - 1, 30);
  };
  const type = (key: string): void => {
    typed += key;
    void writer.write(key);
  };
  // Every order of two keys and two resizes, without a pause between.
  for (let order = 0; order < 16; order++)
    for (let bit = 0; bit < 4; bit++)
      if ((order >> bit) % 2 === 0) type(`${bit}`);
      else resize();
  await eventually("all of it has arrived", () => server.inputBytes.toString() === typed);
  await eventually("every size has arrived", () => server.sizes.length >= sizes.length);
  assert.deepEqual(server.sizes, sizes);
  // A lone key does not wait for another one.
  for (const key of ["\u000f", "\u0010", "\u001b"]) {
    resize();
    type(key);
    await eventually("the key has arrived", () => server.inputBytes.toString() === typed);
  }
  for (let at = 0; at < 60; at++) {
    if (at % 10 === 5) server.connections.at(-1)?.terminate();
    if (at % 7 === 0) resize();
    type(String.fromCharCode(65 + at));
    if (at % 10 === 8) await eventually("it has arrived", () => server.inputBytes.toString() === typed);
  }
  await writer.close();
  assert.equal(server.inputBytes.toString(), typed);
  await eventually("the last size has arrived", () => server.sizes.at(-1)?.cols === sizes.at(-1)?.cols);
  await terminal.detach();
});

test("a silent connection is replaced", async () => {
  await using server = await ScriptedTerminalServer.start(Buffer.from("hello"));
  server.pingMs = 50;
  server.faults = [{ isSilent: true }, { isSilent: true }];
  const terminal = await terminals(server, { silenceMs: 100 }).start();
  const reader = terminal.readable.getReader();
  assert.equal(Buffer.from((await reader.read()).value ?? []).toString(), "hello");
  // Pings are enough to keep one.
  const { length } = server.connections;
  await new Promise((resolve) => setTimeout(resolve, 400));
  assert.equal(server.connections.length, length);
  await terminal.detach();
});

test("a start whose answer is lost does not start a second terminal", async () => {
  await using server = await ScriptedTerminalServer.start();
  server.faults = [{ status: 503 }, { cutAfterStart: true }];
  const terminal = await terminals(server).start();
  assert.deepEqual([server.starts, server.received("start").length], [1, 2]);
  await terminal.detach();
});

test("a terminal that cannot be resumed fails everywhere as stream_lost, and unheard", async () => {
  const server = await ScriptedTerminalServer.start(Buffer.from("hello"));
  const terminal = await terminals(server, { resumeMs: 200 }).start();
  const writer = terminal.writable.getWriter();
  await server[Symbol.asyncDispose]();
  await assert.rejects(all(terminal.readable), isCode("stream_lost"));
  await assert.rejects(writer.write("x"), isCode("stream_lost"));
  await assert.rejects(writer.closed, isCode("stream_lost"));
  await assert.rejects(terminal.exited, (error: unknown) => {
    assert.ok(error instanceof Error && isWrennError(error, "stream_lost"));
    assert.match(error.message, /pty-1.*200 ms/);
    return isWrennError(error.cause, "connection_failed");
  });
  // Nobody hears of this one's end: no unhandled rejection may follow.
  const other = await ScriptedTerminalServer.start();
  await terminals(other, { resumeMs: 1 }).start();
  await other[Symbol.asyncDispose]();
  await new Promise((resolve) => setTimeout(resolve, 100));
});

test("a refusal rejects the start with the server's error; a temporary one is tried again", async () => {
  await using server = await ScriptedTerminalServer.start();
  const envelope = (code: string, reason: string, status: number): object => ({
    data: "failed to start pty: no",
    error: { code, reason, status, message: "failed to start pty: no", remedy: "Do.", request_id: "req-1" },
  });
  server.faults = [{ error: { ...envelope("invalid_request", "cwd_not_found", 400) } }];
  await assert.rejects(terminals(server).start({ cwd: "/no" }), (error: unknown) => {
    assert.ok(isWrennError(error, "cwd_not_found"));
    const { status, remedy, requestId, message } = error;
    assert.deepEqual([status, remedy, requestId, message], [400, "Do.", "req-1", "failed to start pty: no"]);
    return true;
  });
  assert.equal(server.connections.length, 1);
  server.faults = [{ error: { ...envelope("host_unavailable", "host_unavailable", 503) } }];
  const terminal = await terminals(server).start();
  assert.equal(server.connections.length, 3);
  // Later a paused capsule is waited for; one that is gone is not.
  server.faults = [
    { error: { ...envelope("invalid_state", "capsule_not_running", 409) } },
    { error: { ...envelope("not_found", "capsule_not_found", 404) } },
  ];
  server.connections.at(-1)?.terminate();
  await assert.rejects(terminal.exited, isCode("capsule_not_found"));
  server.faults = [{ error: { data: "an older server" } }];
  await assert.rejects(terminals(server).connect("pty-1"), isCode("session_failed"));
});

test("input whose fate is unknown fails the writable; output goes on", async () => {
  await using server = await ScriptedTerminalServer.start(Buffer.from("hello"));
  server.confirmsInput = false;
  server.faults = [{ cutInputAfter: 3 }, { forgets: true }];
  const terminal = await terminals(server).start();
  const writer = terminal.writable.getWriter();
  writer.closed.catch(() => undefined);
  await writer.write("typed");
  await assert.rejects(writer.close(), (error: unknown) => {
    assert.ok(isWrennError(error, "connection_lost"));
    assert.deepEqual(error.details, { confirmedBytes: 0, unknownBytes: 5 });
    return true;
  });
  server.exit(0);
  assert.equal((await all(terminal.readable)).toString(), "hello");
});

test("with onUnknownInput, input whose fate is unknown is reported and not sent again, and writing goes on", async () => {
  await using server = await ScriptedTerminalServer.start();
  server.confirmsInput = false;
  server.faults = [{ cutInputAfter: 3 }, { forgets: true }, { cutInputAfter: 2, confirms: true }];
  const unknown: number[] = [];
  const terminal = await terminals(server).start({ onUnknownInput: (bytes) => unknown.push(bytes) });
  const writer = terminal.writable.getWriter();
  await writer.write("typed");
  await eventually("it is connected again", () => unknown.length > 0);
  server.input.length = 0;
  server.confirmsInput = true;
  server.connections.at(-1)?.terminate();
  await writer.write("later");
  await writer.close();
  assert.deepEqual([unknown, server.inputBytes.toString()], [[5], "later"]);
  await terminal.detach();
});

test("a server that does not know the session, without input on its way, is no failure", async () => {
  await using server = await ScriptedTerminalServer.start();
  server.faults = [{}, { forgets: true }];
  let breaks = 0;
  const terminal = await terminals(server, { onRetry: () => breaks++ }).start();
  const writer = terminal.writable.getWriter();
  await writer.write("one");
  await eventually("it is taken", () => server.inputBytes.length === 3);
  // What the terminal prints arrives behind the confirmation.
  server.print("one");
  await terminal.readable.getReader().read();
  server.input.length = 0;
  server.connections.at(-1)?.terminate();
  await eventually("the break is noticed", () => breaks > 0);
  // Nothing of this was sent to the server that is gone.
  await writer.write("two");
  await eventually("it is connected again", () => server.received("connect").length === 1);
  await writer.close();
  assert.equal(server.inputBytes.toString(), "two");
  await terminal.detach();
});

test("dropped output is counted and reported in its place", async () => {
  await using server = await ScriptedTerminalServer.start(randomBytes(1000));
  server.faults = [{ dropsTo: 600 }];
  server.exitCode = 0;
  const dropped: number[] = [];
  const terminal = await terminals(server).connect("pty-1", { onDropped: (bytes) => dropped.push(bytes) });
  // Only when the reader has come so far.
  await terminal.exited;
  assert.deepEqual(dropped, []);
  assert.ok((await all(terminal.readable)).equals(server.output.subarray(600)));
  assert.deepEqual([terminal.droppedBytes, terminal.offset, dropped], [600, 1000, [600]]);
});

test("detaching leaves the terminal; connecting continues at an offset", async () => {
  await using server = await ScriptedTerminalServer.start(Buffer.from("hello world"));
  const first = await terminals(server).start();
  const reader = first.readable.getReader();
  await reader.read();
  await first.writable.getWriter().write("input that is still on its way");
  await first.detach();
  assert.equal(server.inputBytes.toString(), "input that is still on its way");
  await eventually("it has left", () => server.received("detach").length === 1);
  assert.equal((await reader.read()).done, true);
  await assert.rejects(first.exited, isCode("detached"));
  await first.detach();
  {
    await using second = await terminals(server).connect(first.tag, { from: 6 });
    server.exit(0);
    assert.equal((await all(second.readable)).toString(), "world");
    assert.deepEqual(await second.exited, { exitCode: 0 });
  }
  assert.equal(server.received("connect").at(-1)?.["from"], 6);
});

test("detaching waits for input while it is taken, and gives up on a terminal that takes none", async () => {
  await using server = await ScriptedTerminalServer.start();
  server.confirmsInput = false;
  const terminal = await terminals(server).start();
  await terminal.writable.getWriter().write("not confirmed");
  const at = performance.now();
  await terminal.detach();
  const ms = performance.now() - at;
  assert.ok(ms > 300 && ms < 1900, `${ms} ms`);
  await eventually("what was written has arrived", () => server.inputBytes.toString() === "not confirmed");
});

test("an abort of the start ends the terminal; one of a connection leaves it; listeners are removed", async () => {
  await using server = await ScriptedTerminalServer.start();
  const reason = new Error("enough");
  const started = new AbortController();
  const terminal = await terminals(server).start({ signal: started.signal });
  started.abort(reason);
  await assert.rejects(terminal.exited, (error) => error === reason);
  await assert.rejects(all(terminal.readable), (error) => error === reason);
  assert.deepEqual(server.requests, ["DELETE /v1/capsules/cl-1/processes/pty-1"]);
  server.exitCode = undefined;
  const connected = new AbortController();
  const other = await terminals(server).connect("pty-1", { signal: connected.signal });
  connected.abort(reason);
  await assert.rejects(other.exited, (error) => error === reason);
  assert.equal(server.requests.length, 1);
  const early = new AbortController();
  server.faults = [{ isSilent: true }];
  const opening = terminals(server).start({ signal: early.signal });
  early.abort(reason);
  await assert.rejects(opening, (error) => error === reason);
  const lasting = new AbortController();
  for (let n = 0; n < 30; n++)
    await (await terminals(server).connect("pty-1", { signal: lasting.signal })).detach();
  for (const { signal } of [started, connected, early, lasting])
    assert.equal(getEventListeners(signal, "abort").length, 0);
});

test("options that do not exist and sizes that are none are refused by name", async () => {
  const server = await ScriptedTerminalServer.start();
  await server[Symbol.asyncDispose]();
  const closed = terminals(server, { retries: 0 });
  // @ts-expect-error: no such option.
  await assert.rejects(closed.start({ columns: 3 }), isCode("unknown_option"));
  await assert.rejects(closed.start({ cols: 0 }), isCode("invalid_option"));
  await assert.rejects(closed.connect("pty-1", { from: -1 }), isCode("invalid_option"));
  await assert.rejects(closed.start(), isCode("connection_failed"));
});
