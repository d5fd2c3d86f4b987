import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import fc from "fast-check";
import { SessionOutput } from "../src/processes/session-output.ts";
import {
  outputBytes,
  ScriptedHostAgent,
  ScriptedTerminal,
  TerminalClient,
} from "./support/scripted-terminal.ts";
import { TestPlatform } from "./support/test-platform.ts";

/** How far ahead of its acknowledgements a client is sent output. */
const AHEAD = 130_000;

const host = new ScriptedHostAgent();
const platform = await TestPlatform.start({ host });
const { body } = await platform.call("POST", "/v1/capsules", { key: platform.apiKey, body: {} });
const capsule = String(body["id"]);
after(() => platform[Symbol.asyncDispose]());

let sessions = 0;
/** The first message of a new session. */
function newStart(): { readonly type: "start"; readonly session_id: string } {
  return { type: "start", session_id: `session-of-a-test-${sessions++}` };
}

let opened = 0;
function open(first: object, headers?: { readonly "x-api-key": string }): TerminalClient {
  opened++;
  return new TerminalClient(platform, capsule, first, headers);
}

const started = async (client: TerminalClient): Promise<Readonly<Record<string, unknown>>> => {
  await eventually("it has started", () => client.message("started") !== undefined);
  return client.message("started") ?? {};
};

const terminalOf = (tag: unknown): ScriptedTerminal =>
  host.terminals.find(({ facts }) => facts.tag === tag) ?? assert.fail(`no terminal ${String(tag)}`);

/** Sessions that are over. */
const finished = (): number => platform.logged.filter(({ event }) => event === "websocket").length;

test("a session continues after its connection broke: no output is lost or repeated, and the program waits", async () => {
  const start = newStart();
  const first = open(start);
  const { tag, ...facts } = await started(first);
  assert.deepEqual(facts, {
    type: "started",
    pid: 7,
    live_offset: 0,
    resumed: false,
    input_offset: 0,
    ping_ms: 15_000,
  });
  const terminal = terminalOf(tag);
  terminal.print(1_000_000);
  await eventually("output arrives", () => first.received.length > 90_000);
  first.send({ type: "ack", offset: 50_000 });
  await eventually("more arrives", () => first.received.length > 140_000);
  first.socket.terminate();
  const had = first.received.length;
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.ok(terminal.read < 50_000 + AHEAD, `${terminal.read} bytes were read for nobody`);
  // The client has shown less than it received.
  const second = open({ ...start, type: "connect", tag, from: had, acknowledged: 50_000 });
  assert.equal((await started(second))["resumed"], true);
  terminal.exit();
  for (let shown = 50_000; !second.message("exit"); shown = had + second.received.length) {
    second.send({ type: "ack", offset: shown });
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  assert.ok(Buffer.concat([first.received, second.received]).equals(outputBytes(0, 1_000_000)));
});

test("a client is told how much of its input was taken, and nothing that was not is taken later", async () => {
  const start = newStart();
  const first = open(start);
  const { tag } = await started(first);
  const terminal = terminalOf(tag);
  terminal.reads = 100_000;
  const input = outputBytes(0, 600_000);
  for (let at = 0; at < input.length; at += 60_000) first.socket.send(input.subarray(at, at + 60_000));
  await eventually("some is taken", () => terminal.inputLength === 100_000);
  const acknowledged = Number((await eventually("it is told", () => first.message("input_ack")))["offset"]);
  assert.ok(acknowledged > 0 && acknowledged <= 100_000, String(acknowledged));
  first.socket.terminate();
  const second = open({ ...start, type: "connect", tag, from: 0 });
  assert.equal((await started(second))["input_offset"], 100_000);
  terminal.reads = Infinity;
  second.socket.send(input.subarray(100_000));
  await eventually("all is taken", () => second.message("input_ack")?.["offset"] === 600_000);
  assert.ok(Buffer.concat(terminal.input).equals(input));
  second.socket.terminate();
});

test("a start that is sent again finds the terminal that the first one started", async () => {
  const start = newStart();
  const first = open(start);
  const { tag } = await started(first);
  const second = open(start);
  assert.equal((await started(second))["tag"], tag);
  await eventually("the older connection is ended", () => first.closed !== undefined);
  assert.match(String(first.message("error")?.["data"]), /another connection/);
  second.send({ type: "detach" });
  second.socket.close();
  await eventually("all sessions are over", () => finished() === opened);
  const third = open(start);
  assert.notEqual((await started(third))["tag"], tag);
  third.socket.terminate();
});

test("a session that the server does not know begins again; another client's session is its own", async () => {
  const first = open(newStart());
  const { tag } = await started(first);
  const other = open({ ...newStart(), type: "connect", tag });
  const { resumed, input_offset: offset } = await started(other);
  assert.deepEqual([resumed, offset], [false, 0]);
  assert.equal(first.closed, undefined);
  const refused = open({ type: "connect", tag, session_id: "short" });
  await eventually("it is refused", () => refused.closed === 1011);
  assert.match(String(refused.message("error")?.["data"]), /session_id/);
  for (const { socket } of [first, other]) socket.terminate();
});

test("errors carry code, reason, remedy, status and request id for clients of our sub-protocol", async () => {
  const errorOf = async (client: TerminalClient): Promise<Readonly<Record<string, unknown>>> => {
    await eventually("it is refused", () => client.closed !== undefined);
    return client.message("error")?.["error"] as Readonly<Record<string, unknown>>;
  };
  const { message, remedy, ...unknown } = await errorOf(open({ type: "connect", tag: "nobody" }));
  assert.match(String(unknown["request_id"]), /^req-/);
  assert.deepEqual(
    { ...unknown, request_id: "" },
    { code: "not_found", reason: "process_not_found", status: 404, request_id: "" },
  );
  assert.match(String(message), /^failed to connect to pty: /);
  assert.notEqual(remedy, "");
  const wrong = await errorOf(open({ type: "begin" }));
  assert.deepEqual([wrong["code"], wrong["status"]], ["invalid_request", 400]);
  const started = host.terminals.length;
  const nobody = await errorOf(open(newStart(), { "x-api-key": `${platform.apiKey}x` }));
  assert.deepEqual(
    [nobody["code"], nobody["reason"], nobody["status"]],
    ["unauthorized", "api_key_invalid", 401],
  );
  assert.equal(host.terminals.length, started);
});

test("held output: over any breaks and acknowledgements each byte is delivered once", async () => {
  const breaks = fc.array(fc.record({ take: fc.nat(40_000), lag: fc.nat(60_000) }), { maxLength: 12 });
  await fc.assert(
    fc.asyncProperty(breaks, async (connections) => {
      const terminal = new ScriptedTerminal("pty");
      terminal.print(400_000);
      terminal.exit();
      const held = new SessionOutput(terminal, "oldest");
      const parts: Buffer[] = [];
      let at = 0;
      const connect = async (most: number): Promise<void> => {
        const broken = new AbortController();
        assert.ok(held.holds(at));
        const end = at + most;
        for await (const event of held.output({ stdout: at, stderr: 0 }, broken.signal)) {
          if (event.type !== "data") return;
          assert.equal(event.offset, at);
          // A connection may break within what was sent.
          const bytes = event.bytes.subarray(0, end - at);
          parts.push(Buffer.from(bytes));
          at += bytes.length;
          if (at >= end) return broken.abort();
        }
      };
      for (const { take, lag } of connections) {
        await connect(take + 1);
        held.acknowledge(at - lag);
      }
      await connect(Infinity);
      assert.ok(Buffer.concat(parts).equals(outputBytes(0, 400_000)));
      held.close();
    }),
    { numRuns: 60 },
  );
});

test("a server that closes says how much of the input was taken", async () => {
  const client = open(newStart());
  const terminal = terminalOf((await started(client))["tag"]);
  terminal.reads = 1234;
  client.socket.send(outputBytes(0, 5000));
  await eventually("some is taken", () => terminal.inputLength === 1234);
  await platform[Symbol.asyncDispose]();
  await eventually("the session has ended", () => client.closed !== undefined);
  assert.equal(client.message("input_ack")?.["offset"], 1234);
  const { error, data } = client.message("error") ?? {};
  assert.equal(data, "the server is closing");
  assert.equal((error as Readonly<Record<string, unknown>>)["reason"], "server_closing");
});
