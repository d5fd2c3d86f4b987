/* Drawn: apps/client/test and packages/sdk/test show its parts. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { tryCommand } from "@wrenn/system";
import { FaultProxy } from "../support/fault-proxy.ts";
import { programEnvironment } from "../support/program-environment.ts";
import { ServerProcess } from "../support/server-process.ts";
import { projectRoot } from "../support/sources.ts";

const program = join(projectRoot, "wrenn");
const server = await ServerProcess.start();
/** Where the proxy leads; the server has another port after a restart. */
const target = { host: "127.0.0.1", port: Number(new URL(server.api.url).port) };
const proxy = await FaultProxy.start({ target });
const config = await mkdtemp("/tmp/wrenn-client-");
after(async () => {
  await proxy[Symbol.asyncDispose]();
  await server.close();
  await rm(config, { recursive: true, force: true });
});
const env = programEnvironment(config, { WRENN_URL: proxy.url, WRENN_API_KEY: server.api.apiKey });
const id = await server.api.capsule(undefined, { name: "streams" });

/** Without the launcher, which would take the signals. */
const cli = [process.execPath, join(projectRoot, "apps/cli/src/main.ts")] as const;
const wrenn = async (...args: readonly string[]) => await tryCommand([...cli, ...args], { env });

/** What a service answers once it was sent all of this; empty when the connection breaks. */
async function through(port: number, bytes: Uint8Array): Promise<string> {
  const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
  let text = "";
  socket.setEncoding("utf8").on("data", (piece: string) => (text += piece));
  socket.on("error", () => undefined);
  socket.end(bytes);
  await new Promise((resolve) => socket.once("close", resolve));
  return text;
}

/** A command that goes on until it is ended. */
class Follower implements AsyncDisposable {
  stdout = "";
  stderr = "";
  readonly #child: ChildProcess;
  readonly code: Promise<number | null>;

  constructor(...args: readonly string[]) {
    const [node, script] = cli;
    this.#child = spawn(node, [script, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
    this.#child.stdout?.setEncoding("utf8").on("data", (text: string) => (this.stdout += text));
    this.#child.stderr?.setEncoding("utf8").on("data", (text: string) => (this.stderr += text));
    this.code = new Promise((resolve) => this.#child.once("close", resolve));
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  async shows(text: string): Promise<void> {
    await eventually(`it shows ${text}`, () => this.stdout.includes(text));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.signal("SIGKILL");
    await this.code;
  }
}

const lines = (text: string): string[] => text.trimEnd().split("\n");
const toConsole = async (text: string) => await server.api.shell(id, `echo ${text} > /dev/console`);
const label = async (value: string) =>
  assert.equal((await server.api.call("PATCH", `/v1/capsules/${id}`, { metadata: { value } })).status, 200);

test("a log has the console and what the platform did, and ends with a reader that goes away", async () => {
  await toConsole("first-line");
  await eventually("the line is in the log", async () =>
    (await wrenn("logs", id)).stdout.includes("first-line"),
  );
  const { stdout } = await wrenn("logs", "streams", "--source", "platform");
  assert.match(stdout, /^\d{4}-\S+Z platform created\n/);
  const json = lines((await wrenn("logs", id, "-n", "2", "--json")).stdout).map(
    (line) => JSON.parse(line) as { source: string },
  );
  assert.equal(json.length, 2);
  const head = await tryCommand(
    ["bash", "-c", `"$0" logs streams | head -1; echo "\${PIPESTATUS[0]}"`, program],
    { env },
  );
  assert.equal(lines(head.stdout).length, 2, head.stderr);
  const unfit = await wrenn("logs", id, "--raw");
  assert.deepEqual([unfit.code, lines(unfit.stderr)[0]], [2, "wrenn: --raw needs --process"]);
});

test("logs -f and events -f lose and repeat nothing over a stop, a cut network and a restart of the server", async () => {
  await using log = new Follower("logs", "-f", id, "--source", "console");
  await using events = new Follower("events", "-f", "--type", "capsule.updated", "--capsule", id, "--json");
  await using process = new Follower("logs", "-f", id, "--process", "ticker");
  const ticks = "for n in 1 2 3 4 5 6 7 8 9 10 11 12; do echo tick-$n; sleep 0.5; done";
  await process.code;
  assert.match(process.stderr, /no process|process_not_found|ticker/);
  const started = await server.api.call("POST", `/v1/capsules/${id}/exec`, {
    cmd: "sh",
    args: ["-c", ticks],
    background: true,
    tag: "ticker",
  });
  assert.ok(started.status < 300, JSON.stringify(started.body));
  await using ticker = new Follower("logs", "-f", id, "-p", "ticker");
  await ticker.shows("tick-1\n");
  await eventually("both follow", async () => {
    await toConsole("mark-0");
    await label("0");
    return log.stdout.includes("mark-0") && events.stdout !== "";
  });
  const seen = (): string[] => lines(events.stdout).map((line) => (JSON.parse(line) as { id: string }).id);
  const followers = [log, events, ticker];
  for (const follower of followers) follower.signal("SIGSTOP");
  await toConsole("mark-1");
  await label("1");
  proxy.cutAll();
  for (const follower of followers) follower.signal("SIGCONT");
  await log.shows("mark-1");
  for (const verb of ["pause", "resume"])
    assert.equal((await server.api.call("POST", `/v1/capsules/${id}/${verb}`)).status, 200, verb);
  await proxy.refuse();
  await server.kill();
  await server.start();
  target.port = Number(new URL(server.api.url).port);
  await toConsole("mark-2");
  await label("2");
  await proxy.resume();
  await log.shows("mark-2");
  await label("3");
  const kept = lines(
    (await wrenn("events", "--type", "capsule.updated", "--capsule", id, "--json")).stdout,
  ).map((line) => (JSON.parse(line) as { id: string }).id);
  await eventually("the last event", () => seen().at(-1) === kept.at(-1));
  assert.ok(seen().length >= 4);
  assert.deepEqual(seen(), kept.slice(-seen().length));
  for (const mark of ["mark-1", "mark-2"]) assert.equal(log.stdout.split(mark).length, 2, mark);
  assert.equal(await ticker.code, 0, ticker.stderr);
  assert.equal(ticker.stdout, Array.from({ length: 12 }, (_, n) => `tick-${n + 1}\n`).join(""));
  log.signal("SIGINT");
  assert.equal(await log.code, 130);
});

test("stats show running capsules once, or as they are measured", async () => {
  const [once] = JSON.parse((await wrenn("stats", "--no-stream", "--json")).stdout) as { id: string }[];
  assert.equal(once?.id, id);
  await using live = new Follower("stats", id, "--json");
  await eventually("two points", () => live.stdout.split("\n").length > 2);
  const [first, second] = lines(live.stdout).map(
    (line) => JSON.parse(line) as { at: string; cpuPercent: number },
  );
  assert.equal(typeof first?.cpuPercent, "number");
  assert.ok(Date.parse(second?.at ?? "") > Date.parse(first?.at ?? ""), live.stdout);
});

test("ports are listed, published, signed, and links revoked", async () => {
  await server.api.call("POST", `/v1/capsules/${id}/exec`, {
    cmd: "python3",
    args: ["-m", "http.server", "8000", "--bind", "127.0.0.1"],
    background: true,
  });
  await eventually("it is listed", async () => (await wrenn("port", "ls", id)).stdout.includes("8000"));
  const listed = await wrenn("port", "ls", id);
  assert.match(listed.stdout, /8000 +tcp +127\.0\.0\.1 +python3 +private +http:\/\/8000-cl-/);
  const link = JSON.parse((await wrenn("port", "sign", id, "8000", "--ttl", "10m", "--json")).stdout) as {
    id: string;
    url: string;
  };
  const address = new URL(link.url);
  const ask = async () =>
    (
      await tryCommand(
        [
          "curl",
          "-s",
          "-o",
          "/dev/null",
          "-w",
          "%{http_code}",
          "-H",
          `Host: ${address.host}`,
          `http://127.0.0.1:${address.port}/${address.search}`,
        ],
        { env },
      )
    ).stdout;
  assert.equal(await ask(), "200");
  assert.ok((await wrenn("port", "ls", id, "--links")).stdout.includes(link.id));
  assert.equal((await wrenn("port", "unsign", id, "--port", "8000")).stdout, `${link.id}\n`);
  assert.equal(await ask(), "401");
  const unknown = await wrenn("port", "unsign", id, "ln-nothing");
  assert.equal(unknown.code, 4, unknown.stderr);
  const open = await wrenn("port", "open", id, "8000", "--no-browser", "--path", "/a?b=1");
  assert.match(open.stdout, /^http:\/\/8000-cl-.*\/a\?b=1&wrenn_token=/);
  await wrenn("port", "set", id, "8000", "public");
  assert.doesNotMatch((await wrenn("port", "open", id, "8000", "--no-browser")).stdout, /token/);
  assert.match(
    (await wrenn("port", "set", id, "99999", "public")).stderr,
    /a port from 1 to 65535 is needed/,
  );
});

test("a local port leads to one of the capsule: many connections at once, each direction ending on its own", async () => {
  const script = [
    "import hashlib, socketserver",
    "class Digest(socketserver.StreamRequestHandler):",
    "  def handle(self):",
    "    self.wfile.write(hashlib.sha256(self.rfile.read()).hexdigest().encode())",
    "class Server(socketserver.ThreadingTCPServer):",
    "  request_queue_size = 64",
    "Server(('127.0.0.1', 9000), Digest).serve_forever()",
  ].join("\n");
  await server.api.call("POST", `/v1/capsules/${id}/exec`, {
    cmd: "python3",
    args: ["-c", script],
    background: true,
  });
  await eventually("it listens", async () => {
    const { body } = await server.api.call("GET", `/v1/capsules/${id}/ports/listening`);
    return JSON.stringify(body).includes("9000");
  });
  await using forward = new Follower("port", "forward", id, "0:9000", "0:9");
  await eventually("it listens", () => lines(forward.stdout).length === 2);
  const [port = 0, deaf = 0] = [...forward.stdout.matchAll(/^127\.0\.0\.1:(\d+) -> port \d+ of cl-/gm)].map(
    ([, digits]) => Number(digits),
  );
  const digests = await Promise.all(
    Array.from({ length: 20 }, async () => {
      const bytes = randomBytes(200_000);
      return [await through(port, bytes), createHash("sha256").update(bytes).digest("hex")];
    }),
  );
  for (const [digest, expected] of digests) assert.equal(digest, expected, forward.stderr);
  assert.equal(await through(deaf, Buffer.from("x")), "");
  await eventually("it says so", () => /nothing listens on port 9|port 9\b/.test(forward.stderr));
  const taken = await wrenn("port", "forward", id, `${port}:80`);
  assert.deepEqual([taken.code, taken.stderr.includes("something else listens")], [6, true], taken.stderr);
  proxy.cutAll();
  assert.equal((await through(port, Buffer.from("again"))).length, 64);
  forward.signal("SIGINT");
  assert.equal(await forward.code, 130);
});

test("followers end quietly when the capsule is destroyed", async () => {
  await using log = new Follower("logs", "-f", id, "-n", "1");
  await using events = new Follower("events", "-f", "--capsule", id);
  await log.shows("\n");
  // It follows from now on, as soon as it is connected.
  await eventually("the events are followed", async () => {
    await label(`last-${performance.now()}`);
    return events.stdout.includes("capsule.updated");
  });
  await server.api.call("DELETE", `/v1/capsules/${id}`);
  assert.deepEqual([await log.code, log.stderr], [0, ""]);
  assert.deepEqual([await events.code, events.stderr], [0, ""]);
  assert.match(events.stdout, /capsule\.destroyed.*\n$/);
});
