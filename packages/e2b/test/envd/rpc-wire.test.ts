import assert from "node:assert/strict";
import { once } from "node:events";
import { request } from "node:http";
import { after, test } from "node:test";
import { createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { eventually } from "@wrenn/core/testing";
import { Process } from "../../src/envd/generated/process_pb.ts";
import { EnvdLab, SANDBOX_ID, TOKEN } from "./support/envd-lab.ts";
import { bash, pidOf, START, startAndLeave, textOf } from "./support/processes.ts";
import type { EventMessage } from "./support/processes.ts";
import { callJson, frame, framesOf, messagesOf, post, streamJson } from "./support/wire.ts";

const lab = await EnvdLab.start();
after(() => lab[Symbol.asyncDispose]());

test("a stream is frames of flags, length and JSON; start is first, end carries status, and the last frame has flag 2", async () => {
  const { status, headers, body } = await post(
    lab,
    `/${START}`,
    frame(JSON.stringify(bash("echo out; echo err >&2; exit 3"))),
    {
      headers: { "content-type": "application/connect+json" },
    },
  );
  assert.equal(status, 200);
  assert.equal(headers["content-type"], "application/connect+json");
  const frames = framesOf(body);
  assert.deepEqual(
    frames.map(({ flags }) => flags),
    [...frames.slice(1).map(() => 0), 2],
  );
  const messages = messagesOf(body);
  assert.ok(pidOf(messages) > 1);
  assert.equal(textOf(messages, "stdout"), "out\n");
  assert.equal(textOf(messages, "stderr"), "err\n");
  assert.deepEqual(messages.at(-2), {
    event: { end: { exitCode: 3, exited: true, status: "exit status 3", error: "exit status 3" } },
  });
  assert.deepEqual(messages.at(-1), {});
});

test("a request that arrives byte by byte is understood", async () => {
  const { body } = await post(lab, `/${START}`, frame(JSON.stringify(bash("exit 0"))), {
    headers: { "content-type": "application/connect+json" },
    pieceBytes: 1,
  });
  assert.deepEqual(messagesOf(body).at(-2), { event: { end: { exited: true, status: "exit status 0" } } });
});

test("snake case, numbers as text and unknown fields are accepted in JSON", async () => {
  const process = { cmd: "cat", some_future_field: [1] };
  const messages = await streamJson(lab, START, { process, stdin: false, another: { deep: true } });
  assert.deepEqual(messages.at(-1), {});
  const { status, body } = await callJson(lab, "process.Process/SendSignal", {
    process: { pid: "4194000" },
    signal: 9,
  });
  assert.equal(status, 404);
  assert.equal((body as { code: string }).code, "not_found");
});

test("errors of streams travel in the last frame with status 200, of unary calls with a status and the name of the code", async () => {
  const messages = await streamJson(lab, START, bash("true", { cwd: "/nowhere" }));
  assert.deepEqual(messages, [
    { error: { code: "invalid_argument", message: "cwd does not exist: /nowhere" } },
  ]);
  const unary = await callJson(lab, "process.Process/CloseStdin", { process: { tag: "nothing" } });
  assert.equal(unary.status, 404);
  assert.deepEqual(unary.body, { code: "not_found", message: "process not found: nothing" });
  assert.equal((await callJson(lab, "process.Process/CloseStdin", {})).status, 400);
  const malformed = await post(lab, "/process.Process/List", "{", {
    headers: { "content-type": "application/json" },
  });
  assert.equal(malformed.status, 400);
  const foreign = await post(lab, "/process.Process/List", "{}", { headers: { "content-type": "text/xml" } });
  assert.equal(foreign.status, 415);
  const unknown = await post(lab, "/process.Process/Nothing", "{}", {
    headers: { "content-type": "application/json" },
  });
  assert.equal(unknown.status, 404);
});

test("frames that lie or do not parse are refused, and nothing is set aside for what they announce", async () => {
  const send = async (body: Buffer): Promise<string | undefined> => {
    const answer = await post(lab, `/${START}`, body, {
      headers: { "content-type": "application/connect+json" },
    });
    return (messagesOf(answer.body).at(-1) as { error?: { code: string } }).error?.code;
  };
  const huge = Buffer.from([0, 0xff, 0xff, 0xff, 0xff, 0x7b]);
  const before = process.memoryUsage().rss;
  assert.equal(await send(huge), "resource_exhausted");
  assert.ok(process.memoryUsage().rss - before < 64 << 20);
  assert.equal(await send(frame("{")), "invalid_argument");
  assert.equal(await send(frame('{"process":{"cmd":5}}')), "invalid_argument");
  assert.equal(await send(frame(JSON.stringify(bash("true")), 1)), "internal");
  assert.equal(await send(frame(JSON.stringify(bash("true"))).subarray(0, 20)), "invalid_argument");
  assert.equal(await send(Buffer.alloc(0)), "unimplemented");
});

test("an unknown user is unauthenticated, with the text that clients compare literally", async () => {
  const authorization = `Basic ${Buffer.from("root123:").toString("base64")}`;
  const messages = await streamJson(lab, START, bash("whoami"), { authorization });
  assert.deepEqual(messages, [
    { error: { code: "unauthenticated", message: "invalid username: 'root123'" } },
  ]);
  const stat = await callJson(lab, "filesystem.Filesystem/Stat", { path: "/" }, { authorization });
  assert.equal(stat.status, 401);
  assert.deepEqual(stat.body, { code: "unauthenticated", message: "invalid username: 'root123'" });
});

test("the user of Basic authorization runs the command, with that user's HOME, USER and LOGNAME", async () => {
  const authorization = `Basic ${Buffer.from("nobody:any password").toString("base64")}`;
  const messages = await streamJson(lab, START, bash("id -un; echo $HOME $USER $LOGNAME", { cwd: "/" }), {
    authorization,
  });
  assert.equal(textOf(messages, "stdout"), "nobody\n/nonexistent nobody nobody\n");
});

test("variables of the command stand before those of the sandbox, which programs recognise it by", async () => {
  const envs = { MINE: "1", E2B_SANDBOX: "other" };
  const messages = await streamJson(lab, START, bash("echo $MINE $E2B_SANDBOX $E2B_SANDBOX_ID", { envs }));
  assert.equal(textOf(messages, "stdout"), `1 other ${SANDBOX_ID}\n`);
  const bad = await streamJson(lab, START, bash("true", { envs: { "a=b": "1" } }));
  assert.equal((bad[0] as { error: { code: string } }).error.code, "invalid_argument");
});

test("stderr of a program that prints none is empty, and input that was not asked for is /dev/null", async () => {
  const messages = await streamJson(lab, START, {
    process: { cmd: "/bin/bash", args: ["-l", "-c", "true"] },
    stdin: false,
  });
  assert.equal(textOf(messages, "stderr"), "");
  const input = await streamJson(lab, START, bash("readlink /proc/self/fd/0"));
  assert.equal(textOf(input, "stdout"), "/dev/null\n");
});

test("the deadline of a call ends it with deadline_exceeded and kills the process; 0 is no deadline", async () => {
  const messages = await streamJson(lab, START, bash("exec sleep 60"), { "connect-timeout-ms": "400" });
  assert.equal((messages.at(-1) as { error: { code: string } }).error.code, "deadline_exceeded");
  await eventually("the process is gone", async () => !isAlive(pidOf(messages)));
  const endless = await streamJson(lab, START, bash("sleep 0.1"), { "connect-timeout-ms": "0" });
  assert.deepEqual(endless.at(-1), {});
  const beyond = await streamJson(lab, START, bash("true"), { "connect-timeout-ms": "9999999999" });
  assert.deepEqual(beyond.at(-1), {});
});

test("a process of whose output nothing is read any more is killed at its deadline all the same", async () => {
  const { pid } = await startAndLeave(lab, "exec sleep 60", { "connect-timeout-ms": "600" });
  assert.ok(isAlive(pid));
  await eventually("the process is gone", async () => !isAlive(pid), { timeoutMs: 15_000 });
});

test("keepalive events follow the silence that was asked for", async () => {
  const messages = await streamJson(lab, START, bash("sleep 0.7"), { "keepalive-ping-interval": "0.2" });
  const keepalives = (messages as readonly EventMessage[]).filter(
    ({ event }) => event?.keepalive !== undefined,
  );
  assert.ok(keepalives.length >= 2 && keepalives.length <= 4, `${keepalives.length} keepalives`);
  // Each event begins the silence again.
  const talk = bash("for n in 1 2 3 4 5 6; do echo $n; sleep 0.25; done");
  const busy = await streamJson(lab, START, talk, { "keepalive-ping-interval": "1" });
  assert.ok((busy as readonly EventMessage[]).every(({ event }) => event?.keepalive === undefined));
});

test("a stream that is closed leaves its process alone; Connect joins it live, and learns of the end later", async () => {
  const { pid } = await startAndLeave(lab, "read -r line < <(sleep 0.6; echo late); echo $line; exit 5");
  assert.ok(isAlive(pid));
  const selector = { process: { pid } };
  const messages = await streamJson(lab, "process.Process/Connect", selector);
  assert.equal(pidOf(messages), pid);
  assert.equal(textOf(messages, "stdout"), "late\n");
  const after = await streamJson(lab, "process.Process/Connect", selector);
  assert.deepEqual((after.at(-2) as EventMessage).event.end, {
    exitCode: 5,
    exited: true,
    status: "exit status 5",
    error: "exit status 5",
  });
  const gone = await callJson(lab, "process.Process/SendSignal", { ...selector, signal: "SIGNAL_SIGKILL" });
  assert.equal(gone.status, 404);
});

test("input arrives by SendInput and StreamInput until it is closed; as pty it is refused by a pipe, and after the end too", async () => {
  const { pid } = await startAndLeave(lab, "exec cat", {}, { stdin: true });
  const selector = { process: { pid } };
  const joined = streamJson(lab, "process.Process/Connect", selector);
  const send = async (kind: "stdin" | "pty", text: string): Promise<number> =>
    (
      await callJson(lab, "process.Process/SendInput", {
        ...selector,
        input: { [kind]: Buffer.from(text).toString("base64") },
      })
    ).status;
  assert.equal(await send("stdin", "one "), 200);
  assert.equal(await send("pty", "no"), 400);
  const stream = Buffer.concat(
    [
      { start: selector },
      { keepalive: {} },
      { data: { input: { stdin: Buffer.from("two ").toString("base64") } } },
      { data: { input: { stdin: Buffer.from("three").toString("base64") } } },
    ].map((message) => frame(JSON.stringify(message))),
  );
  const streamed = await post(lab, "/process.Process/StreamInput", stream, {
    headers: { "content-type": "application/connect+json" },
    pieceBytes: 7,
  });
  assert.deepEqual(messagesOf(streamed.body), [{}, {}]);
  assert.equal((await callJson(lab, "process.Process/CloseStdin", selector)).status, 200);
  assert.equal(textOf(await joined, "stdout"), "one two three");
  assert.equal(await send("stdin", "late"), 404);
  const closed = await startAndLeave(lab, "exec sleep 60");
  const refused = await callJson(lab, "process.Process/SendInput", {
    process: { pid: closed.pid },
    input: { stdin: "YQ==" },
  });
  assert.equal(refused.status, 400);
  assert.equal((refused.body as { code: string }).code, "failed_precondition");
  await callJson(lab, "process.Process/SendSignal", { process: { pid: closed.pid }, signal: 9 });
});

test("a request without stdin has an open input, which takes nothing after it was closed", async () => {
  const { pid } = await startAndLeave(
    lab,
    "",
    {},
    { process: { cmd: "/bin/bash", args: ["-c", "cat; exec sleep 60"] }, stdin: undefined },
  );
  const input = { process: { pid }, input: { stdin: "YQ==" } };
  assert.equal((await callJson(lab, "process.Process/SendInput", input)).status, 200);
  assert.equal((await callJson(lab, "process.Process/CloseStdin", { process: { pid } })).status, 200);
  const late = await callJson(lab, "process.Process/SendInput", input);
  assert.deepEqual([late.status, (late.body as { code: string }).code], [400, "failed_precondition"]);
  await callJson(lab, "process.Process/SendSignal", { process: { pid }, signal: "SIGNAL_SIGKILL" });
});

test("a terminal has its size, takes input as pty, is resized, and prints as pty", async () => {
  const { pid } = await startAndLeave(
    lab,
    "read -r _; stty size; read -r _; stty size",
    {},
    { pty: { size: { cols: 91, rows: 17 } } },
  );
  const selector = { process: { pid } };
  const joined = streamJson(lab, "process.Process/Connect", selector);
  const enter = { ...selector, input: { pty: Buffer.from("\n").toString("base64") } };
  assert.equal((await callJson(lab, "process.Process/SendInput", enter)).status, 200);
  await new Promise((resolve) => void setTimeout(resolve, 300));
  const size = { pty: { size: { cols: 120, rows: 40 } } };
  assert.equal((await callJson(lab, "process.Process/Update", { ...selector, ...size })).status, 200);
  const pipe = await callJson(lab, "process.Process/SendInput", { ...selector, input: { stdin: "Cg==" } });
  assert.equal((pipe.body as { code: string }).code, "failed_precondition");
  assert.equal((await callJson(lab, "process.Process/SendInput", enter)).status, 200);
  const output = textOf(await joined, "pty");
  assert.match(output, /17 91\r\n/);
  assert.match(output, /40 120\r\n/);
});

test("100 commands run at a time, each with its own output", async () => {
  const outputs = await Promise.all(
    Array.from({ length: 100 }, async (_, index) => {
      const process = { cmd: "/bin/echo", args: [String(index)] };
      return textOf(await streamJson(lab, START, { process, stdin: false }), "stdout");
    }),
  );
  assert.deepEqual(
    outputs,
    outputs.map((_, index) => `${index}\n`),
  );
});

test("a client that does not read slows its command down, and costs the server little memory", async () => {
  const sent = request(`${lab.url}/${START}`, {
    method: "POST",
    agent: false,
    headers: { "x-access-token": TOKEN, "content-type": "application/connect+json" },
  });
  sent.on("error", () => undefined);
  const before = process.memoryUsage().rss;
  sent.end(frame(JSON.stringify(bash("head -c 268435456 /dev/zero"))));
  const [response] = (await once(sent, "response")) as [NodeJS.ReadableStream];
  response.on("error", () => undefined);
  await new Promise((resolve) => void setTimeout(resolve, 1000));
  const grown = process.memoryUsage().rss - before;
  assert.ok(grown < 64 << 20, `${Math.round(grown / (1 << 20))} MiB more`);
  const { body } = await callJson(lab, "process.Process/List", {});
  const { processes = [] } = body as { processes?: { pid: number }[] };
  assert.equal(processes.length, 1, "the command waits");
  sent.destroy();
  const [{ pid } = { pid: 0 }] = processes;
  await callJson(lab, "process.Process/SendSignal", { process: { pid }, signal: "SIGNAL_SIGKILL" });
});

for (const { codec, httpVersion, binary } of [
  { codec: "JSON", httpVersion: "1.1", binary: false },
  { codec: "binary", httpVersion: "1.1", binary: true },
  { codec: "JSON", httpVersion: "2", binary: false },
  { codec: "binary", httpVersion: "2", binary: true },
] as const)
  test(`the ${codec} codec by HTTP/${httpVersion} serves a client of the protocol's own library`, async () => {
    const transport = createConnectTransport({
      baseUrl: httpVersion === "2" ? lab.http2Url : lab.url,
      httpVersion,
      useBinaryFormat: binary,
      interceptors: [
        (next) => async (sent) => {
          sent.header.set("x-access-token", TOKEN);
          return await next(sent);
        },
      ],
    });
    const client = createClient(Process, transport);
    const cases: (string | undefined)[] = [];
    const bytes: Uint8Array[] = [];
    const process = { cmd: "/bin/bash", args: ["-c", String.raw`printf '\377\000ok'`] };
    for await (const { event } of client.start({ process, stdin: false })) {
      cases.push(event?.event.case);
      if (event?.event.case === "data" && event.event.value.output.case === "stdout")
        bytes.push(event.event.value.output.value);
      if (event?.event.case === "end") assert.equal(event.event.value.status, "exit status 0");
    }
    assert.equal(cases[0], "start");
    assert.equal(cases.at(-1), "end");
    assert.deepEqual(Buffer.concat(bytes), Buffer.from([0xff, 0, 0x6f, 0x6b]));
    assert.deepEqual((await client.list({})).processes, []);
    await assert.rejects(client.closeStdin({ process: { selector: { case: "pid", value: 4_194_000 } } }), {
      code: 5,
    });
  });

/** Starts a process and breaks the stream off after its first event. */
function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}
