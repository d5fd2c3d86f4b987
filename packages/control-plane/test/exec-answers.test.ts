import assert from "node:assert/strict";
import { after, test } from "node:test";
import { abortable, silentLogger, systemClock, systemRandom } from "@wrenn/core";
import type { CapsuleProcess, CapsuleProcesses, OutputEvent, OutputStream } from "@wrenn/protocol";
import { createApp } from "../src/http/create-app.ts";
import { registerProcesses } from "../src/processes/register-processes.ts";
import { unusedSessions } from "./support/process-deps.ts";

/* What clients that know no fields of our own can see in the answer of a command. */

const LIMIT = 1000;
let printed: readonly (readonly [OutputStream, string])[] = [];
let exit = { exitCode: 0 };
/** What it prints first. */
let before: readonly OutputEvent[] = [];
/** As which the command was started, and was looked for. */
let tag: string | undefined;
let selector = "";
/** Whether the command runs until it is killed. */
let isEndless = false;
/** Aborts when the server closes. */
const closing = new AbortController();
/** What the host says about a command. */
const facts: { pid: number; tag: string; timeoutMs?: number } = { pid: 7, tag: "given" };
let killed = Promise.withResolvers<void>();
const command = {
  facts,
  output: async function* (_from: unknown, signal: AbortSignal): AsyncGenerator<OutputEvent> {
    yield* before;
    for (const [stream, text] of printed) yield { type: "data", stream, offset: 0, bytes: Buffer.from(text) };
    if (isEndless) await abortable(signal, killed.promise);
    yield { type: "exit", exit };
  },
  kill: async () => killed.resolve(),
  wait: async () => exit,
} as unknown as CapsuleProcess;

const app = await createApp({ logger: silentLogger, random: systemRandom }, "0.0.0");
after(() => app.close());
app.addHook("onRequest", async (request) => void (request.identity = { teamId: "team" }));
registerProcesses(app, {
  ...unusedSessions,
  closing: closing.signal,
  execOutputBytes: LIMIT,
  capsules: {
    open: async () => ({
      processes: {
        start: async (request: { readonly tag?: string }) => {
          ({ tag } = request);
          return command;
        },
        find: async (wanted: string) => {
          selector = wanted;
          return command;
        },
      } as unknown as CapsuleProcesses,
      get files(): never {
        throw new Error("commands use the processes only");
      },
      touch: async () => undefined,
    }),
  },
  clock: systemClock,
  logger: silentLogger,
});

async function run(
  body: object,
): Promise<{ readonly status: number; readonly json: Readonly<Record<string, unknown>> }> {
  const answer = await app.inject({
    method: "POST",
    url: `/v1/capsules/cl-${"a".repeat(25)}/exec`,
    payload: { cmd: "x", ...body },
  });
  return { status: answer.statusCode, json: answer.json() };
}

const NOTICE = "wrenn: output was left out: it is longer than 1000 bytes, or memory for it was short\n";

test("output that was left out is announced by the last line of stderr, besides the flag", async () => {
  for (const [stderr, expected] of [
    ["", NOTICE],
    ["a line\n", `a line\n${NOTICE}`],
    ["half a line", `half a line\n${NOTICE}`],
  ] as const) {
    printed = [
      ["stdout", "o".repeat(LIMIT + 1)],
      ["stderr", stderr],
    ];
    const { json } = await run({});
    assert.equal(json["stdout"], "o".repeat(LIMIT));
    assert.equal(json["stderr"], expected);
    assert.equal(json["truncated"], true);
  }
  printed = [
    ["stdout", "o".repeat(LIMIT)],
    ["stderr", "e".repeat(LIMIT)],
  ];
  const whole = await run({});
  assert.deepEqual([whole.json["stderr"], whole.json["truncated"]], ["e".repeat(LIMIT), undefined]);
});

test("the notice is part of stderr also where the answer is base64", async () => {
  printed = [
    ["stdout", "o".repeat(LIMIT + 1)],
    ["stderr", "\u{fffd}"],
  ];
  const bytes: OutputEvent = { type: "data", stream: "stderr", offset: 0, bytes: Uint8Array.of(0xff, 0x0a) };
  before = [bytes];
  const { json } = await run({});
  before = [];
  assert.equal(json["encoding"], "base64");
  const text = Buffer.from(String(json["stderr"]), "base64").toString("latin1");
  assert.ok(text.startsWith("\xff\n") && text.endsWith(`\n${NOTICE}`), text);
});

test("a command whose time is up has exit code 124, as with timeout(1), and the flag", async () => {
  printed = [["stdout", "so far"]];
  exit = { exitCode: 143 };
  isEndless = true;
  const { json } = await run({ timeout_sec: 1 });
  isEndless = false;
  assert.deepEqual([json["exit_code"], json["timed_out"], json["stdout"]], [124, true, "so far"]);
  exit = { exitCode: 0 };
});

test("a tag is any text that a path can carry; digits and what paths cannot carry are refused", async () => {
  for (const given of ["my tag", "job:1", "a/b", "x".repeat(256), "ü%20?#", "12a", "...", "é".repeat(128)]) {
    const begun = await run({ background: true, tag: given });
    assert.deepEqual([begun.status, tag], [202, given], given);
    const path = `/v1/capsules/cl-${"a".repeat(25)}/processes/${encodeURIComponent(given)}/signal`;
    const found = await app.inject({ method: "POST", url: path, payload: { signal: "SIGINT" } });
    assert.deepEqual([found.statusCode, selector], [204, given], found.body);
  }
  for (const given of ["", undefined]) {
    const begun = await run({ background: true, tag: given });
    assert.deepEqual([begun.status, tag], [202, undefined], "one is chosen");
  }
  for (const given of ["123", "x".repeat(257), "é".repeat(129), "a\nb", "\0", "\u007f", ".", ".."]) {
    const refused = await run({ background: true, tag: given });
    assert.equal(refused.status, 400, JSON.stringify(given));
    assert.match(JSON.stringify(refused.json), /tag must.*invalid_field/);
  }
});

test("a foreground command takes no notice of a tag", async () => {
  for (const given of ["123", "a\nb", "x".repeat(300), "fine"]) {
    const { status } = await run({ tag: given });
    assert.deepEqual([status, tag], [200, undefined], given);
  }
});

test("a time limit of a command that outlives its request needs a host that knows such limits", async () => {
  for (const lasting of [{ background: true }, { wait_sec: 5 }]) {
    killed = Promise.withResolvers<void>();
    const refused = await run({ ...lasting, timeout_sec: 5 });
    assert.deepEqual([refused.status, reasonIn(refused.json)], [409, "host_outdated"]);
    await killed.promise;
    facts.timeoutMs = 5000;
    const { status } = await run({ ...lasting, timeout_sec: 5 });
    assert.equal(status, "background" in lasting ? 202 : 200);
    delete facts.timeoutMs;
  }
});

test("a command that is waited for is not waited for in the background, nor for longer than ten minutes", async () => {
  for (const [body, said] of [
    [{ wait_sec: 1, background: true }, /wait_sec must be left out with background/],
    [{ wait_sec: 601 }, /wait_sec/],
    [{ wait_sec: -1 }, /wait_sec/],
    [{ wait_sec: "soon" }, /wait_sec/],
    [{ wait_sec: 1, tag: "123" }, /tag must not consist of digits/],
  ] as const) {
    const refused = await run(body);
    assert.equal(refused.status, 400, JSON.stringify(body));
    assert.match(JSON.stringify(refused.json), said);
  }
  assert.equal((await run({ wait_sec: null })).json["pid"], undefined, "null is absent");
});

test("the answer to a command that is waited for has no notice in its output", async () => {
  printed = [["stdout", "o".repeat(LIMIT + 1)]];
  const { status, json } = await run({ wait_sec: 5 });
  assert.equal(status, 200);
  assert.deepEqual([json["stdout"], json["stderr"], json["truncated"]], ["o".repeat(LIMIT), "", true]);
  assert.deepEqual(json["next"], { stdout: LIMIT + 1, stderr: 0 }, "what was left out counts");
  assert.deepEqual([json["pid"], json["tag"]], [7, "given"]);
});

test("a character that is cut by the end of the wait is left for the output stream", async () => {
  const euro = Buffer.from("a€");
  before = [{ type: "data", stream: "stdout", offset: 0, bytes: euro.subarray(0, 3) }];
  printed = [];
  isEndless = true;
  killed = Promise.withResolvers<void>();
  const { status, json } = await run({ wait_sec: 0.05 });
  assert.deepEqual([status, json["stdout"], json["next"]], [202, "a", { stdout: 1, stderr: 0 }]);
  assert.equal(json["truncated"], undefined);
  before = [];
});

test("a server that closes answers commands that are waited for", async () => {
  printed = [["stdout", "so far"]];
  isEndless = true;
  const answer = run({ wait_sec: 600 });
  setTimeout(() => closing.abort(new Error("the server is closing")), 50);
  const { status, json } = await answer;
  assert.deepEqual([status, json["stdout"], json["next"]], [202, "so far", { stdout: 6, stderr: 0 }]);
});

function reasonIn(json: Readonly<Record<string, unknown>>): unknown {
  return (json["error"] as { readonly reason: string }).reason;
}
