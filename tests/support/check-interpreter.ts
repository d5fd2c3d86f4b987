import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import type { TestContext } from "node:test";
import { cells, clientAt } from "@wrenn/code-interpreter/testing";
import { eventually } from "@wrenn/core/testing";
import type { ApiCaller } from "./api-caller.ts";
import { reaches } from "./e2b-machine.ts";
import type { E2bMachine } from "./e2b-machine.ts";
import { projectRoot } from "./sources.ts";

/** What a check needs of its test. */
type Reporter = Pick<TestContext, "after" | "diagnostic">;

type Client = ReturnType<typeof clientAt>;

/** A capsule with a code interpreter, and the official client for it. */
interface InterpretedCapsule extends AsyncDisposable {
  readonly id: string;
  readonly url: string;
  readonly client: Client;
}

/** Cells that do not end, and what shows that the next one runs. */
const ENDLESS = [
  ["python", "import time\nwhile True: time.sleep(0.1)", "print('next')"],
  ["javascript", "while (true);", "console.log('next')"],
  ["bash", "while :; do :; done", "echo next"],
] as const;

const SLOW_MS = 120_000;
const CELLS_PROGRAM = join(projectRoot, "tests/support/e2b-cells-process.ts");

/** Checks that capsules of code-interpreter-v1 run cells of four languages for the official client. */
export async function checkInterpreter(t: Reporter, server: ApiCaller): Promise<void> {
  const createdAt = performance.now();
  await using capsule = await interpretedCapsule(t, server, { envs: { OF_THE_CAPSULE: "seen" } });
  const { client } = capsule;
  assert.equal((await client.runCode("6 * 7")).text, "42");
  t.diagnostic(`create to first result: ${since(createdAt)}`);
  await checkCells(t, client);
  await checkLibraries(client);
  await checkVariables(client);
  await checkInterrupts(t, client);
  await checkContexts(client);
  await checkBoot(t, server, capsule);
  await checkRandomness(t, server);
}

/** A second, and two, on a machine that does nothing else. */
const INTERRUPTED_MS = 2000;
const NEXT_MS = 5000;

/** Checks that `Sandbox.create()` of the official client runs cells, and that each version of HTTP interrupts those that are broken off. */
export async function checkPublishedInterpreter(t: Reporter, machine: E2bMachine): Promise<void> {
  for (const reach of reaches) {
    const { code, stdout, stderr } = await machine.run(reach, CELLS_PROGRAM, [], { limitMs: 300_000 });
    assert.equal(code, 0, stderr + stdout);
    const { text, printed, interruptedMs, nextMs } = JSON.parse(stdout) as {
      readonly text: string;
      readonly printed: readonly string[];
      readonly interruptedMs: Readonly<Record<string, number>>;
      readonly nextMs: Readonly<Record<string, number>>;
    };
    t.diagnostic(
      `${reach}: interrupted ${JSON.stringify(interruptedMs)}, next cell ${JSON.stringify(nextMs)}`,
    );
    assert.equal(text, "42");
    assert.deepEqual(Object.keys(interruptedMs), reach === "plain HTTP" ? ["1.1"] : ["2", "1.1"]);
    assert.ok(printed.every((output) => output === "next") && printed.length >= 2, printed.join());
    for (const ms of Object.values(interruptedMs)) assert.ok(ms < INTERRUPTED_MS, `${ms} ms`);
    for (const ms of Object.values(nextMs)) assert.ok(ms < NEXT_MS, `${ms} ms`);
  }
}

const since = (startedAt: number): string => `${(performance.now() - startedAt).toFixed(0)} ms`;

async function interpretedCapsule(
  t: Reporter,
  server: ApiCaller,
  options: Readonly<Record<string, unknown>> = {},
): Promise<InterpretedCapsule> {
  const id = await server.capsule(t, { template: "code-interpreter-v1", ...options });
  const { body } = await server.call<{ url: string }>("PUT", `/v1/capsules/${id}/ports/49999`, {
    access: "public",
  });
  const forwarder = await forwardTo(server.url, new URL(body.url).host);
  return { id, ...forwarder, client: clientAt(forwarder.url) };
}

/** An address on this machine for a port of a capsule, for clients that cannot resolve its name. */
async function forwardTo(
  serverUrl: string,
  host: string,
): Promise<AsyncDisposable & { readonly url: string }> {
  const forwarder = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const forwarded = request(new URL(url ?? "/", serverUrl), { method, headers: { ...headers, host } });
    outgoing.on("close", () => forwarded.destroy());
    forwarded.on("error", () => outgoing.destroy());
    forwarded.on("response", (answer) => {
      outgoing.writeHead(answer.statusCode ?? 500, answer.headers);
      pipeline(answer, outgoing).catch(() => undefined);
    });
    incoming.pipe(forwarded);
  });
  forwarder.listen(0, "127.0.0.1");
  await once(forwarder, "listening");
  return {
    url: `http://127.0.0.1:${(forwarder.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: async () => {
      forwarder.closeAllConnections();
      forwarder.close();
      await once(forwarder, "close");
    },
  };
}

async function checkCells(t: Reporter, client: Client): Promise<void> {
  for (const { language, code, envs = {}, stdout = "", stderr = "", text, error } of cells) {
    const startedAt = performance.now();
    const execution = await client.runCode(code, { language, envs: { ...envs }, timeoutMs: SLOW_MS });
    t.diagnostic(`${language} ${since(startedAt)}: ${JSON.stringify(code.slice(0, 40))}`);
    assert.deepEqual(
      {
        stdout: execution.logs.stdout.join(""),
        stderr: execution.logs.stderr.join(""),
        text: execution.text,
        error: execution.error && [execution.error.name, execution.error.value],
      },
      { stdout, stderr, text: text === "$CWD" ? "/home/user" : text, error },
      code,
    );
  }
}

async function checkLibraries(client: Client): Promise<void> {
  const plot = "import matplotlib.pyplot as plt\nplt.plot([1, 2], [3, 4])\nplt.title('A title')\nplt.show()";
  const [chart] = (await client.runCode(plot, { timeoutMs: SLOW_MS })).results;
  assert.equal(chart?.chart?.title, "A title");
  assert.equal(
    Buffer.from(chart?.png ?? "", "base64")
      .subarray(1, 4)
      .toString(),
    "PNG",
  );
  const frame = "import pandas; pandas.DataFrame({'a': [1, 2]})";
  assert.deepEqual((await client.runCode(frame, { timeoutMs: SLOW_MS })).results[0]?.data, { a: [1, 2] });
}

async function checkVariables(client: Client): Promise<void> {
  const python = await client.runCode("import os; os.environ['OF_THE_CAPSULE']");
  assert.equal(python.text, "seen");
  const javascript = await client.runCode("process.env.OF_THE_CAPSULE", { language: "javascript" });
  assert.equal(javascript.text, "seen");
  const bash = await client.runCode("echo $OF_THE_CAPSULE; id -un; cat < /dev/null", { language: "bash" });
  assert.equal(bash.logs.stdout.join(""), "seen\nuser\n");
}

async function checkInterrupts(t: Reporter, client: Client): Promise<void> {
  for (const [language, endless, next] of ENDLESS) {
    await assert.rejects(client.runCode(endless, { language, timeoutMs: 2_000 }), /timed out/i);
    const abortedAt = performance.now();
    const { logs } = await client.runCode(next, { language });
    t.diagnostic(`${language}: next cell ${since(abortedAt)} after the abort`);
    assert.equal(logs.stdout.join(""), "next\n");
  }
}

async function checkContexts(client: Client): Promise<void> {
  const context = await client.createCodeContext({
    language: "python",
    cwd: "/tmp",
    requestTimeoutMs: SLOW_MS,
  });
  assert.equal((await client.runCode("import os; os.getcwd()", { context })).text, "/tmp");
  await client.removeCodeContext(context);
  await assert.rejects(client.runCode("1", { context }), { name: "NotFoundError" });
}

async function checkBoot(
  t: Reporter,
  server: ApiCaller,
  { id, url, client }: InterpretedCapsule,
): Promise<void> {
  const paused = await server.call("POST", `/v1/capsules/${id}/pause`, { memory: false });
  assert.equal(paused.status, 200);
  const bootedAt = performance.now();
  assert.equal((await server.call("POST", `/v1/capsules/${id}/resume`)).status, 200);
  const isReady = async (): Promise<boolean> => (await fetch(`${url}/health`)).ok;
  await eventually("the interpreter was started again", isReady, { timeoutMs: 300_000, intervalMs: 1_000 });
  t.diagnostic(`boot to ready: ${since(bootedAt)}`);
  assert.equal((await client.runCode("import os; os.environ['OF_THE_CAPSULE']")).text, "seen");
}

async function checkRandomness(t: Reporter, server: ApiCaller): Promise<void> {
  const numbers: (string | undefined)[] = [];
  for (let capsules = 0; capsules < 2; capsules++) {
    await using one = await interpretedCapsule(t, server);
    const draw = "import random, numpy; (random.random(), numpy.random.random())";
    numbers.push((await one.client.runCode(draw)).text);
  }
  assert.match(numbers[0] ?? "", /^\(0\.\d+, 0\.\d+\)$/);
  assert.notEqual(numbers[0], numbers[1], "capsules draw numbers of their own");
}
