import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer, request } from "node:http";
import type { AddressInfo } from "node:net";
import { PassThrough } from "node:stream";
import { pipeline } from "node:stream/promises";
import { after, before, test } from "node:test";
import { cells, clientAt } from "@wrenn/code-interpreter/testing";
import type { Terminal } from "@wrenn/client";
import { eventually } from "@wrenn/core/testing";
import { buildBuiltIn } from "../../apps/cli/src/commands/build-built-in.ts";
import { linkedCache } from "../support/linked-cache.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/*
 * The built-in template code-interpreter-v1, from Debian and npm to the official client, which reaches it through the port of a capsule.
 * What the service does in detail is tested without machines (packages/code-interpreter/test).
 */

const isLong = process.env["WRENN_TEST_LONG"] === "1";
const HOUR_MS = 3_600_000;
const stack = new AsyncDisposableStack();
let server: TestServer;

before(async () => {
  if (!isLong) return;
  const cache = stack.use(await linkedCache());
  server = await startTestServer({ config: { cacheDirectory: cache.path } });
  stack.defer(() => server.close());
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), process.stderr];
  stdout.resume();
  const env = {
    WRENN_DATA_DIR: server.dataDirectory,
    WRENN_CACHE_DIR: cache.path,
    PATH: process.env["PATH"],
  };
  const terminal = { env, stdin, stdout, stderr } as unknown as Terminal;
  const code = await buildBuiltIn(
    { builtin: "code-interpreter-v1", json: true, progress: "plain" },
    terminal,
  );
  assert.equal(code, 0);
});
after(() => stack.disposeAsync());

/** An address on this machine for a port of a capsule, for clients that cannot resolve its name. */
async function forwardTo(host: string): Promise<AsyncDisposable & { readonly url: string }> {
  const forwarder = createServer((incoming, outgoing) => {
    const { method, url, headers } = incoming;
    const forwarded = request(new URL(url ?? "/", server.url), { method, headers: { ...headers, host } });
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

test(
  "capsules of code-interpreter-v1 run cells of four languages for the official client, from the first moment",
  { skip: isLong ? false : "only with --long: the build takes many minutes", timeout: HOUR_MS },
  async (t) => {
    const createdAt = performance.now();
    const id = await server.capsule(t, { template: "code-interpreter-v1", envs: { OF_THE_CAPSULE: "seen" } });
    const { body } = await server.call<{ url: string }>("PUT", `/v1/capsules/${id}/ports/49999`, {
      access: "public",
    });
    await using forwarder = await forwardTo(new URL(body.url).host);
    const client = clientAt(forwarder.url);
    const first = await client.runCode("6 * 7");
    t.diagnostic(`create to first result: ${(performance.now() - createdAt).toFixed(0)} ms`);
    assert.equal(first.text, "42");
    for (const { language, code, envs = {}, stdout = "", stderr = "", text, error } of cells) {
      const startedAt = performance.now();
      const execution = await client.runCode(code, { language, envs: { ...envs }, timeoutMs: 120_000 });
      t.diagnostic(`${language} ${(performance.now() - startedAt).toFixed(0)} ms: ${code.slice(0, 40)}`);
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

    const chart = await client.runCode(
      "import matplotlib.pyplot as plt\nplt.plot([1, 2], [3, 4])\nplt.title('A title')\nplt.show()",
      { timeoutMs: 120_000 },
    );
    assert.equal(chart.results[0]?.chart?.title, "A title");
    assert.equal(
      Buffer.from(chart.results[0]?.png ?? "", "base64")
        .subarray(1, 4)
        .toString(),
      "PNG",
    );
    const table = await client.runCode("import pandas; pandas.DataFrame({'a': [1, 2]})", {
      timeoutMs: 120_000,
    });
    assert.deepEqual(table.results[0]?.data, { a: [1, 2] });

    for (const [language, code] of [
      ["python", "import os; os.environ['OF_THE_CAPSULE']"],
      ["javascript", "process.env.OF_THE_CAPSULE"],
    ] as const)
      assert.equal((await client.runCode(code, { language })).text, "seen");
    const shell = await client.runCode("echo $OF_THE_CAPSULE; id -un", { language: "bash" });
    assert.equal(shell.logs.stdout.join(""), "seen\nuser\n");

    for (const [language, endless] of [
      ["python", "import time\nkept = 1\nwhile True: time.sleep(0.1)"],
      ["javascript", "while (true);"],
      ["bash", "while :; do :; done"],
    ] as const) {
      await assert.rejects(client.runCode(endless, { language, timeoutMs: 2_000 }), /timed out/i);
      const abortedAt = performance.now();
      const next = await client.runCode(language === "bash" ? "echo next" : "6 * 7", { language });
      t.diagnostic(`${language}: next cell ${(performance.now() - abortedAt).toFixed(0)} ms after the abort`);
      assert.equal(next.text ?? next.logs.stdout.join("").trim(), language === "bash" ? "next" : "42");
    }

    const context = await client.createCodeContext({ language: "python", cwd: "/tmp" });
    assert.equal((await client.runCode("import os; os.getcwd()", { context })).text, "/tmp");
    await client.removeCodeContext(context);
    await assert.rejects(client.runCode("1", { context }), { name: "NotFoundError" });

    for (const [verb, body] of [
      ["pause", { memory: false }],
      ["resume", {}],
    ] as const)
      assert.equal((await server.call("POST", `/v1/capsules/${id}/${verb}`, body)).status, 200);
    const bootedAt = performance.now();
    const isReady = async (): Promise<boolean> => (await fetch(`${forwarder.url}/health`)).ok;
    await eventually("the interpreter was started again", isReady, { timeoutMs: 300_000, intervalMs: 1_000 });
    t.diagnostic(`boot to ready: ${(performance.now() - bootedAt).toFixed(0)} ms`);
    assert.equal((await client.runCode("import os; os.environ['OF_THE_CAPSULE']")).text, "seen");

    const other = await server.capsule(t, { template: "code-interpreter-v1" });
    const { body: otherPort } = await server.call<{ url: string }>(
      "PUT",
      `/v1/capsules/${other}/ports/49999`,
      {
        access: "public",
      },
    );
    await using otherForwarder = await forwardTo(new URL(otherPort.url).host);
    const third = await server.capsule(t, { template: "code-interpreter-v1" });
    const { body: thirdPort } = await server.call<{ url: string }>(
      "PUT",
      `/v1/capsules/${third}/ports/49999`,
      {
        access: "public",
      },
    );
    await using thirdForwarder = await forwardTo(new URL(thirdPort.url).host);
    const draw = "import random, numpy; (random.random(), numpy.random.random())";
    const numbers = await Promise.all(
      [otherForwarder, thirdForwarder].map(async ({ url }) => (await clientAt(url).runCode(draw)).text),
    );
    assert.notEqual(numbers[0], numbers[1], "capsules draw numbers of their own");
  },
);
