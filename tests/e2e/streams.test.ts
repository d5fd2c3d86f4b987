import assert from "node:assert/strict";
import { once } from "node:events";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import fc from "fast-check";
import { WebSocket } from "ws";
import { StreamClient } from "../support/stream-client.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

const LONG = process.env["WRENN_TEST_LONG"] === "1";

let server: TestServer;
let id: string;
before(async () => {
  server = await startTestServer();
  id = await server.capsule(undefined);
});
after(() => server.close());

const exec = (start: Readonly<Record<string, unknown>>): Promise<StreamClient> =>
  StreamClient.open(server, `/v1/capsules/${id}/exec/stream`, { type: "start", ...start });

test("a streamed command tells its pid, both streams, and the exit last; then a clean close", async () => {
  const client = await exec({ cmd: "sh", args: ["-c", "echo out; echo err >&2; exit 3"] });
  assert.equal(await client.ended(), 1000);
  const [first] = client.messages;
  assert.equal(first?.type, "start");
  assert.ok(Number(first?.["pid"]) > 1);
  assert.deepEqual([client.joined("stdout"), client.joined("stderr")], ["out\n", "err\n"]);
  assert.deepEqual(client.messages.at(-1), { type: "exit", exit_code: 3 });
});

test("env, cwd and standard input reach the command; closing the input ends it", async () => {
  const client = await exec({
    cmd: "sh",
    args: ["-c", 'echo "$A in $(pwd)"; cat'],
    envs: { A: "ä" },
    cwd: "/tmp",
    stdin: true,
  });
  await client.next("stdout");
  client.send({ type: "stdin", data: Buffer.from("héllo").toString("base64") });
  client.send({ type: "stdin_close" });
  assert.equal(await client.ended(), 1000);
  assert.equal(client.joined("stdout"), "ä in /tmp\nhéllo");
});

test("characters cut by chunk borders arrive whole", async () => {
  // 100,000 characters of three bytes: no chunk border of a power of two falls between characters every time.
  const client = await exec({ cmd: "python3", args: ["-c", "print('€' * 100000, end='')"] });
  assert.equal(await client.ended(), 1000);
  assert.equal(client.joined("stdout"), "€".repeat(100_000));
});

test("bytes that are no text arrive exactly with encoding base64", async () => {
  const client = await exec({
    cmd: "python3",
    args: ["-c", "import sys; sys.stdout.buffer.write(bytes(range(256)) * 1000)"],
    encoding: "base64",
  });
  assert.equal(await client.ended(), 1000);
  const pieces = client.messages.filter(({ type }) => type === "stdout");
  const bytes = Buffer.concat(pieces.map(({ data }) => Buffer.from(String(data), "base64")));
  const whole = Buffer.concat(
    Array.from({ length: 1000 }, () => Buffer.from(Array.from({ length: 256 }, (_, i) => i))),
  );
  assert.ok(bytes.equals(whole));
});

test("a slow client slows the command down and loses nothing", async () => {
  const megabytes = 48;
  const client = await exec({
    cmd: "sh",
    args: ["-c", `yes 0123456789abcde | head -c ${megabytes}M`],
    encoding: "base64",
  });
  const hash = createHash("sha256");
  let size = 0;
  client.socket.on("message", () => {
    const taken = client.messages.splice(0);
    for (const { type, data } of taken) {
      if (type === "exit") client.messages.push({ type: "exit", data });
      if (type !== "stdout") continue;
      const bytes = Buffer.from(String(data), "base64");
      hash.update(bytes);
      size += bytes.length;
    }
  });
  await client.until(() => (size > 0 ? true : undefined), "the first output", 30);
  client.socket.pause();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  assert.ok(size < megabytes << 20, "the client is ahead of nothing");
  client.socket.resume();
  assert.equal(await client.ended(), 1000);
  assert.equal(size, megabytes << 20);
  const expected = createHash("sha256").update("0123456789abcde\n".repeat((megabytes << 20) / 16));
  assert.equal(hash.digest("hex"), expected.digest("hex"));
});

test("stop, and a client that vanishes, end the command with everything it started", async () => {
  for (const leave of ["stop", "vanish"] as const) {
    const marker = `4${leave === "stop" ? 1 : 2}77`;
    const client = await exec({ cmd: "sh", args: ["-c", `sleep ${marker} & sleep ${marker}`] });
    await client.next("start");
    if (leave === "stop") client.send({ type: "stop" });
    else client.socket.terminate();
    await eventually(`sleep ${marker} has ended after ${leave}`, async () => {
      const { stdout } = await server.shell(id, `pgrep -f '^sleep ${marker}' | wc -l`);
      return stdout.trim() === "0";
    });
  }
});

test("a timeout ends the command and is marked", async () => {
  const client = await exec({ cmd: "sh", args: ["-c", "echo begun; sleep 100"], timeout_sec: 1 });
  assert.equal(await client.ended(), 1000);
  assert.equal(client.joined("stdout"), "begun\n");
  const exit = client.messages.at(-1);
  assert.deepEqual([exit?.type, exit?.["timed_out"], exit?.["exit_code"]], ["exit", true, 124]);
});

test("a background process can be watched from any offset, also after its end", async () => {
  const { body, status } = await server.call<{ pid: number; tag: string }>(
    "POST",
    `/v1/capsules/${id}/exec`,
    {
      cmd: "sh",
      args: ["-c", "echo one; sleep 1; echo two >&2; echo three"],
      background: true,
      tag: "watched",
    },
  );
  assert.equal(status, 202);
  const path = `/v1/capsules/${id}/processes/${body.tag}/stream`;
  const live = await StreamClient.open(server, `${path}?from=oldest`);
  assert.equal(await live.ended(), 1000);
  assert.deepEqual([live.joined("stdout"), live.joined("stderr")], ["one\nthree\n", "two\n"]);
  const late = await StreamClient.open(server, `/v1/capsules/${id}/processes/${body.pid}/stream?from=4`);
  assert.equal(await late.ended(), 1000);
  assert.equal(late.joined("stdout"), "three\n");
  assert.equal(late.messages.find(({ type }) => type === "stdout")?.["offset"], 4);
});

test("what cannot begin is said in one error message", async () => {
  const cases: readonly (readonly [string, Readonly<Record<string, unknown>> | undefined, RegExp])[] = [
    ["exec/stream", { type: "start" }, /first message must be type 'start' with a 'cmd' field/],
    ["exec/stream", { type: "hello" }, /first message must be type 'start'/],
    ["exec/stream", { type: "start", cmd: "true", cwd: "/nope" }, /cwd does not exist: \/nope/],
    ["exec/stream", { type: "start", cmd: "true", user: "nobody-here" }, /no such user/],
    ["exec/stream", { type: "start", cmd: "true", envs: { "A=B": "" } }, /envs must have names without '='/],
    ["pty", { type: "start", envs: { "": "x" } }, /envs must have names without '='/],
    ["pty", { type: "start", args: ["a\0b"] }, /must not contain NUL/],
    ["processes/nothing/stream", undefined, /process not found/],
    ["pty", { type: "connect", tag: "pty-00000000" }, /not found/],
    ["pty", { type: "connect" }, /connect requires a 'tag' field/],
    ["pty", { type: "input", data: "" }, /first message must be type 'start' or 'connect'/],
    ["pty", { type: "start", cols: -1 }, /cols/],
  ];
  for (const [path, first, expected] of cases) {
    const client = await StreamClient.open(server, `/v1/capsules/${id}/${path}`, first);
    const error = await client.next("error", 10);
    assert.match(String(error["data"]), expected);
    assert.equal(error["fatal"], path === "pty" ? true : undefined);
    assert.equal(await client.ended(), 1011);
  }
});

test("frames that are no JSON, or too large, end the session and nothing else", async () => {
  const noise = await StreamClient.open(server, `/v1/capsules/${id}/exec/stream`);
  noise.socket.send("{not json");
  assert.match(String((await noise.next("error", 10))["data"]), /first message must be type 'start'/);
  const huge = await StreamClient.open(server, `/v1/capsules/${id}/exec/stream`);
  huge.socket.send("x".repeat(2 << 20));
  assert.equal(await huge.ended(), 1009);
  assert.equal((await server.shell(id, "echo alive")).stdout, "alive\n");
});

test("whatever a client sends first, the session ends with a word and the server goes on", async () => {
  const field = fc.oneof(
    fc.string(),
    fc.integer(),
    fc.boolean(),
    fc.constant(null),
    fc.array(fc.string(), { maxLength: 3 }),
  );
  const message = fc.record(
    {
      type: fc.oneof(
        fc.constantFrom("start", "connect", "input", "resize", "ack", "kill", "stdin", "auth"),
        field,
      ),
      cmd: field,
      args: field,
      envs: fc.oneof(field, fc.dictionary(fc.string(), field, { maxKeys: 3 })),
      cwd: field,
      user: field,
      tag: field,
      from: field,
      cols: field,
      timeout_sec: field,
    },
    { requiredKeys: [] },
  );
  const frame = fc.oneof(
    message.map((value) => JSON.stringify(value)),
    fc.json(),
    fc.string(),
    fc.uint8Array({ maxLength: 200 }),
  );
  const path = fc.constantFrom("exec/stream", "pty", "processes/x/stream?from=0");
  await fc.assert(
    fc.asyncProperty(path, fc.array(frame, { minLength: 1, maxLength: 4 }), async (route, frames) => {
      const client = await StreamClient.open(server, `/v1/capsules/${id}/${route}`);
      for (const one of frames) client.socket.send(one);
      await client.until(() => client.messages.at(-1) ?? client.closeCode, "an answer", 20);
      client.socket.terminate();
    }),
    { numRuns: 120 },
  );
  assert.equal((await server.shell(id, "echo alive")).stdout, "alive\n");
});

test("a bad id is refused before the upgrade, a missing capsule after it", async () => {
  const url = new URL("/v1/capsules/nonsense/pty", server.server.url);
  url.protocol = "ws:";
  const socket = new WebSocket(url, { headers: { "x-api-key": server.server.apiKey } });
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, { statusCode: number }];
  assert.equal(response.statusCode, 400);
  socket.on("error", () => {});
  socket.terminate();
  const client = await StreamClient.open(server, `/v1/capsules/cl-${"0".repeat(25)}/exec/stream`);
  assert.equal((await client.next("error", 10))["data"], "sandbox not found");
});

test("without credentials the first message must authenticate, in time", async () => {
  const wrong = await StreamClient.open(
    server,
    `/v1/capsules/${id}/pty`,
    { type: "auth", token: "x" },
    { headers: {} },
  );
  assert.deepEqual(await wrong.next("error", 10), {
    type: "error",
    data: "authentication failed",
    fatal: true,
  });
  assert.equal(await wrong.ended(), 1008);
  const silent = await StreamClient.open(server, `/v1/capsules/${id}/exec/stream`, undefined, {
    headers: {},
  });
  assert.deepEqual(await silent.next("error", 20), { type: "error", data: "authentication failed" });
});

for (const megabytes of LONG ? [0, 4, 64] : [4]) {
  test(`stop, and a client that vanishes, end a command behind ${megabytes} MB of unread input`, async () => {
    for (const leave of ["stop", "vanish"] as const) {
      const client = await exec({ cmd: "sleep", args: ["4545"], stdin: true });
      await client.next("start");
      const data = Buffer.alloc(48_000).toString("base64");
      for (let sent = 0; sent < megabytes * 1e6; sent += 48_000) client.send({ type: "stdin", data });
      if (leave === "stop") client.send({ type: "stop" });
      await eventually("everything is sent", () => client.socket.bufferedAmount === 0, { timeoutMs: 60_000 });
      const sent = performance.now();
      if (leave === "stop") assert.equal((await client.next("exit"))["exit_code"], 143);
      else {
        client.socket.terminate();
        const runs = async (): Promise<boolean> =>
          (await server.exec(id, "pgrep", ["-xf", "sleep 4545"])).body.exit_code === 0;
        await eventually("the command ends", async () => !(await runs()));
      }
      const took = performance.now() - sent;
      assert.ok(took < 5000, `${leave} took ${took} ms`);
    }
  });
}

test("text whose characters come in pieces can be followed from each offset that was reported", async () => {
  const script = String.raw`until [ -e /tmp/followed ]; do sleep 0.05; done; printf 'ab\342'; sleep 0.3; printf '\202\254de\360\237'; sleep 0.3; printf '\230\200fg\303'; sleep 0.3; printf '\251h\n\303'`;
  const body = { cmd: "sh", args: ["-c", script], background: true, tag: "chars" };
  await server.call("POST", `/v1/capsules/${id}/exec`, body);
  const open = (from: number): Promise<StreamClient> =>
    StreamClient.open(server, `/v1/capsules/${id}/processes/chars/stream?from=${from}`);
  const follow = async (from: number): Promise<StreamClient> => {
    const client = await open(from);
    assert.equal(await client.ended(), 1000);
    return client;
  };
  // What was printed before would come in one piece.
  const whole = await open(0);
  await server.exec(id, "touch", ["/tmp/followed"]);
  assert.equal(await whole.ended(), 1000);
  assert.equal(whole.joined("stdout"), "ab€de😀fgéh\n\ufffd");
  const pieces = whole.messages.filter(({ type }) => type === "stdout");
  assert.ok(pieces.length >= 4, JSON.stringify(pieces));
  let text = "";
  for (const { data, offset, next } of pieces) {
    assert.equal(offset, Buffer.byteLength(text));
    text += String(data);
    const rest = (await follow(Number(next))).joined("stdout");
    assert.equal(text + rest, whole.joined("stdout"));
  }
  const logs = await server.call<{ stdout: { next: number; encoding: string } }>(
    "GET",
    `/v1/capsules/${id}/processes/chars/logs`,
  );
  assert.deepEqual([logs.body.stdout.next, logs.body.stdout.encoding], [18, "base64"]);
});

test("a pause, a resume and a destroy do not wait behind unread input", async () => {
  const own = await server.capsule(undefined);
  const start = { type: "start", cmd: "sh", args: ["-c", "sleep 3; wc -c"], stdin: true };
  const client = await StreamClient.open(server, `/v1/capsules/${own}/exec/stream`, start);
  await client.next("start");
  const data = Buffer.alloc(48_000).toString("base64");
  for (let n = 0; n < 90; n++) client.send({ type: "stdin", data });
  client.send({ type: "stdin_close" });
  const timed = async (method: string, path: string): Promise<void> => {
    const began = performance.now();
    const { status, body } = await server.call(method, `/v1/capsules/${own}${path}`);
    assert.ok(status < 300, JSON.stringify(body));
    assert.ok(performance.now() - began < 5000, `${method} ${path} took ${performance.now() - began} ms`);
  };
  await timed("POST", "/pause");
  await timed("POST", "/resume");
  await client.next("exit");
  assert.equal(client.joined("stdout").trim(), String(90 * 48_000));
  const stuck = await StreamClient.open(server, `/v1/capsules/${own}/exec/stream`, {
    ...start,
    args: ["-c", "sleep 1000"],
  });
  await stuck.next("start");
  for (let n = 0; n < 90; n++) stuck.send({ type: "stdin", data });
  await timed("DELETE", "");
  await stuck.ended(5);
});
