import assert from "node:assert/strict";
import { once } from "node:events";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { FakeHostAgent } from "@wrenn/protocol/testing";
import { WebSocket } from "ws";
import { LinkedNativeHostAgent, NativeHostAgent } from "./support/native-host-agent.ts";
import { TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

/* Nothing waits behind input that a process does not read: real processes, here and over the link between hosts. */

/** Measured without input: some milliseconds. */
const AT_ONCE_MS = 3000;
const MESSAGE_BYTES = 48_000;
const patience = AbortSignal.timeout(120_000);
const LONG = process.env["WRENN_TEST_LONG"] === "1";
/** The first is nothing, the last the most that is read ahead. */
const SIZES = LONG ? [0, 300_000, 4 << 20, 64 << 20] : [4 << 20];

interface Message {
  readonly type: string;
  readonly [field: string]: unknown;
}

/** One session. */
class Session {
  readonly socket: WebSocket;
  readonly messages: Message[] = [];
  closeCode: number | undefined;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on("message", (data: Buffer) => this.messages.push(JSON.parse(data.toString()) as Message));
    socket.once("close", (code) => (this.closeCode = code));
    socket.on("error", () => undefined);
  }

  static async open(lab: Lab, path: string, first: Readonly<Record<string, unknown>>): Promise<Session> {
    const url = `${lab.platform.url.replace("http", "ws")}/v1/capsules/${lab.capsule}/${path}`;
    const session = new Session(new WebSocket(url, { headers: { "x-api-key": lab.platform.apiKey } }));
    await once(session.socket, "open");
    session.send(first);
    return session;
  }

  send(message: Readonly<Record<string, unknown>>): void {
    this.socket.send(JSON.stringify(message));
  }

  /** Sends input in messages of usual size. */
  flood(type: "stdin" | "input", size: number): void {
    const data = Buffer.alloc(MESSAGE_BYTES, "x").toString("base64");
    for (let sent = 0; sent < size; sent += MESSAGE_BYTES) this.send({ type, data });
  }

  async next(type: string, ms = 20_000): Promise<Message> {
    const found = (): Message | undefined => this.messages.find((message) => message.type === type);
    await eventually(`a message '${type}'`, () => found() !== undefined, { timeoutMs: ms });
    return found() ?? assert.fail();
  }

  text(): string {
    return this.messages
      .filter(({ type }) => type === "output" || type === "stdout")
      .map(({ data, type }) =>
        type === "output" ? Buffer.from(String(data), "base64").toString() : String(data),
      )
      .join("");
  }
}

interface Lab {
  readonly platform: TestPlatform;
  readonly host: FakeHostAgent;
  readonly capsule: string;
}

const labs: (readonly [string, () => Promise<FakeHostAgent & AsyncDisposable>])[] = [
  ["on this machine", async () => await NativeHostAgent.start()],
  ["over the link", async () => await LinkedNativeHostAgent.start()],
];
for (const [where, start] of labs) {
  const host = await start();
  const platform = await TestPlatform.start({ host });
  after(async () => {
    await platform[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
  });
  const created = await platform.call("POST", "/v1/capsules", { body: {}, key: platform.apiKey });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  const capsule = String(created.body["id"] ?? created.body["sandbox_id"]);
  contract(where, { platform, host, capsule });
}

function contract(where: string, lab: Lab): void {
  const call = async (method: string, path: string, body?: unknown): Promise<Answer> =>
    await lab.platform.call(method, `/v1/capsules/${lab.capsule}${path}`, { body, key: lab.platform.apiKey });
  const exec = async (cmd: string, args: readonly string[]): Promise<Session> => {
    const session = await Session.open(lab, "exec/stream", { type: "start", cmd, args, stdin: true });
    await session.next("start");
    return session;
  };
  /** A terminal that neither reads nor echoes. */
  const deafTerminal = async (script = "exec sleep 1000"): Promise<Session> => {
    const args = ["-c", `stty raw -echo; echo ready; ${script}`];
    const session = await Session.open(lab, "pty", { type: "start", cmd: "sh", args, extended: true });
    await eventually("ready", () => session.text().includes("ready"));
    return session;
  };
  const runs = async (pid: unknown): Promise<boolean> => {
    const process = await lab.host.processes(lab.capsule).find(String(pid), patience);
    return process.facts.exit === undefined;
  };

  for (const size of SIZES) {
    test(`${where}: stop ends a command behind ${size} bytes of unread input`, async () => {
      const session = await exec("sleep", ["1000"]);
      session.flood("stdin", size);
      session.send({ type: "stop" });
      await eventually("the client has sent all", () => session.socket.bufferedAmount === 0, {
        timeoutMs: 30_000,
      });
      const exit = await session.next("exit", AT_ONCE_MS);
      assert.deepEqual(exit, { type: "exit", exit_code: 143, signal: 15 });
    });

    test(`${where}: kill ends a terminal behind ${size} bytes of unread input`, async () => {
      const session = await deafTerminal();
      session.flood("input", size);
      session.send({ type: "kill" });
      await eventually("the client has sent all", () => session.socket.bufferedAmount === 0, {
        timeoutMs: 30_000,
      });
      const exit = await session.next("exit", AT_ONCE_MS);
      assert.deepEqual(exit, { type: "exit", exit_code: 137, signal: 9 });
    });

    test(`${where}: a command ends with its client behind ${size} bytes of unread input`, async () => {
      for (const leave of ["close", "terminate"] as const) {
        const session = await exec("sleep", ["1000"]);
        const { pid } = await session.next("start");
        session.flood("stdin", size);
        await eventually("the client has sent all", () => session.socket.bufferedAmount === 0, {
          timeoutMs: 30_000,
        });
        session.socket[leave]();
        await eventually("the command ends", async () => !(await runs(pid)), { timeoutMs: AT_ONCE_MS });
      }
    });

    test(`${where}: a resize takes effect behind ${size} bytes of unread input`, async () => {
      const session = await deafTerminal("trap 'stty size' WINCH; while :; do sleep 0.05; done");
      session.flood("input", size);
      session.send({ type: "resize", cols: 99, rows: 33 });
      session.send({ type: "resize", cols: 111, rows: 44 });
      await eventually("the client has sent all", () => session.socket.bufferedAmount === 0, {
        timeoutMs: 30_000,
      });
      await eventually("the new size", () => session.text().includes("44 111"), { timeoutMs: AT_ONCE_MS });
      session.send({ type: "kill" });
      await session.next("exit", AT_ONCE_MS);
    });
  }

  test(
    `${where}: a client that vanishes is noticed though so much was sent that its socket is not read`,
    {
      skip: !LONG,
    },
    async () => {
      const session = await exec("sleep", ["1000"]);
      const { pid } = await session.next("start");
      session.flood("stdin", 160 << 20);
      await new Promise((resolve) => setTimeout(resolve, 5000));
      assert.ok(session.socket.bufferedAmount > 0, "not everything is read");
      session.socket.terminate();
      await eventually("the command ends", async () => !(await runs(pid)), { timeoutMs: 6000 });
    },
  );

  test(`${where}: input that a late reader takes is exact, up to its end`, async () => {
    const size = 10 * MESSAGE_BYTES;
    const session = await exec("sh", ["-c", "sleep 0.5; wc -c"]);
    session.flood("stdin", size);
    session.send({ type: "stdin_close" });
    assert.deepEqual(await session.next("exit"), { type: "exit", exit_code: 0 });
    assert.equal(session.text().trim(), String(size));
  });

  test(`${where}: resizes keep their place in input that is read`, async () => {
    const session = await deafTerminal("stty -raw icanon; while read line; do stty size; done");
    for (let n = 0; n < 20; n++) {
      session.send({ type: "resize", cols: 80 + n, rows: 24 });
      session.send({ type: "input", data: Buffer.from("show\n").toString("base64") });
      await eventually(`size ${n}`, () => session.text().includes(`24 ${80 + n}`));
    }
    session.send({ type: "kill" });
    await session.next("exit");
  });

  test(`${where}: input that was sent before a viewer left still arrives`, async () => {
    const session = await deafTerminal("cat > /dev/null & exec head -c 4800000 | wc -c");
    const { tag } = await session.next("started");
    session.flood("input", 4_800_000);
    session.socket.close();
    await once(session.socket, "close");
    const again = await Session.open(lab, "pty", { type: "connect", tag });
    await eventually("all of it", () => again.text().includes("4800000"), { timeoutMs: 10_000 });
    again.socket.close();
  });

  // It takes the ten seconds that input waits; tests/e2e/processes.test.ts shows it in a capsule.
  const skip = !LONG;
  test(
    `${where}: input to a process that does not read is a typed refusal, and what was not taken never arrives`,
    { skip },
    async () => {
      const tag = "late";
      const script = "until [ -e $0 ]; do sleep 0.05; done; wc -c";
      const go = `/tmp/wrenn-go-${Math.trunc(Math.random() * 1e9)}`;
      await call("POST", "/exec", {
        cmd: "sh",
        args: ["-c", script, go],
        background: true,
        stdin: true,
        tag,
      });
      const arrived = async (): Promise<void> => await new Promise((resolve) => setTimeout(resolve, 300));
      const inputs = [call("POST", "/processes/late/input", { data: "a".repeat(900_000) })];
      await arrived();
      inputs.push(call("POST", "/processes/late/input", { data: "ä".repeat(100) }));
      const errors = (await Promise.all(inputs)).map(({ status, body }) => {
        const error = body["error"] as { readonly reason: string; readonly accepted: number };
        return [status, error.reason, error.accepted] as const;
      });
      const taken = errors[0]?.[2] ?? 0;
      assert.ok(taken > 0 && taken < 900_000, `${taken} bytes`);
      assert.deepEqual(errors, [
        [409, "input_not_read", taken],
        [409, "input_not_read", 0],
      ]);
      await call("POST", "/exec", { cmd: "touch", args: [go] });
      const rest = await call("POST", "/processes/late/input", {
        data: "a".repeat(900_000 - taken),
        close: true,
      });
      assert.equal(rest.status, 204, JSON.stringify(rest.body));
      const logs = async (): Promise<unknown> =>
        ((await call("GET", "/processes/late/logs")).body["stdout"] as { data: string }).data;
      await eventually("the count", async () => (await logs()) === "900000\n");
      await call("POST", "/exec", { cmd: "rm", args: [go] });
    },
  );

  test(`${where}: a client that gives up its input takes it back`, async () => {
    await call("POST", "/exec", {
      cmd: "sh",
      args: ["-c", "sleep 2; wc -c"],
      background: true,
      stdin: true,
      tag: "left",
    });
    const gaveUp = fetch(`${lab.platform.url}/v1/capsules/${lab.capsule}/processes/left/input`, {
      method: "POST",
      headers: { "x-api-key": lab.platform.apiKey, "content-type": "application/json" },
      body: JSON.stringify({ data: "a".repeat(900_000) }),
      signal: AbortSignal.timeout(500),
    });
    await assert.rejects(gaveUp, { name: "TimeoutError" });
    const closed = await call("POST", "/processes/left/input", { close: true });
    assert.equal(closed.status, 204);
    const logs = async (): Promise<number> =>
      Number(((await call("GET", "/processes/left/logs")).body["stdout"] as { data: string }).data);
    await eventually("the count", async () => (await logs()) > 0);
    assert.ok((await logs()) < 300_000, String(await logs()));
  });

  test(`${where}: a process that ends while input waits ends the wait`, async () => {
    await call("POST", "/exec", { cmd: "sleep", args: ["1000"], background: true, stdin: true, tag: "gone" });
    const waiting = call("POST", "/processes/gone/input", { data: "a".repeat(900_000) });
    const started = performance.now();
    const killed = await call("POST", "/processes/gone/signal", { signal: "SIGKILL", scope: "tree" });
    assert.equal(killed.status, 204);
    const refused = await waiting;
    assert.deepEqual(
      [refused.status, (refused.body["error"] as { reason: string }).reason],
      [409, "stdin_closed"],
    );
    assert.ok(performance.now() - started < AT_ONCE_MS);
  });
}
