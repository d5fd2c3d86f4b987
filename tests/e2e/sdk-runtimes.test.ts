/* Drawn: packages/sdk/test shows the same in Node.js. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { TestContext } from "node:test";
import { scenarios } from "../../packages/sdk/test/portable/index.ts";
import { noBrowser } from "../support/browser.ts";
import { ConnectProxy } from "../support/connect-proxy.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { packSdk } from "../support/packed-sdk.ts";
import type { PackedSdk } from "../support/packed-sdk.ts";
import { BrowserSuite, bundleWorker, processRunner, workerRunner } from "../support/portable-suite.ts";
import type { PortableRunner } from "../support/portable-suite.ts";
import { installRuntimes } from "../support/runtimes.ts";
import type { Runtimes } from "../support/runtimes.ts";
import { TestAuthority } from "../support/test-authority.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/** What every bundle does in a Worker, with and without the modules of Node.js. One of them runs everything. */
const IN_EACH_BUNDLE = ["is created", "uploads", "terminal echoes"];
/** Requests, output streams, server-sent events and WebSockets. */
const BEHIND_A_PROXY = ["is created", "callbacks", "events are followed", "terminal"];

let sdk: PackedSdk;
let page: BrowserSuite;
let runtimes: Runtimes;
let server: TestServer;
let capsuleId: string;
before(async () => {
  [runtimes, sdk] = await Promise.all([installRuntimes(), packSdk()]);
  page = await BrowserSuite.start(sdk);
  server = await startTestServer({ config: { corsOrigins: [page.origin] } });
  capsuleId = await server.capsule(undefined);
});
after(async () => {
  await server?.close();
  await page?.[Symbol.asyncDispose]();
  await sdk?.[Symbol.asyncDispose]();
});

/** Runs the suite, or some of it. Each scenario is a test. */
async function runSuite(
  t: TestContext,
  run: PortableRunner,
  { only, url = server.url }: { readonly only?: readonly string[]; readonly url?: string } = {},
): Promise<void> {
  const outcomes = await run({
    connection: { url, apiKey: server.apiKey },
    capsuleId,
    ...(only === undefined ? {} : { only }),
  });
  for (const { name, problem, ms } of outcomes)
    await t.test(name, (each) => {
      each.diagnostic(`${ms} ms`);
      assert.equal(problem, null, problem ?? "");
    });
  const names = scenarios.map(({ name }) => name);
  assert.deepEqual(
    outcomes.map(({ name }) => name),
    only === undefined ? names : names.filter((name) => only.some((part) => name.includes(part))),
  );
  assert.ok(outcomes.length > 0);
}

test("Node.js 20", async (t) => runSuite(t, await processRunner(sdk, [runtimes.node20])));
test("newest Node.js", async (t) => runSuite(t, await processRunner(sdk, [runtimes.nodeNewest])));
test("Bun", async (t) => runSuite(t, await processRunner(sdk, [runtimes.bun, "run"])));
test("Deno", async (t) => {
  const flags = ["run", "--quiet", "--no-prompt", "--node-modules-dir=manual", "--allow-net", "--allow-env"];
  await runSuite(t, await processRunner(sdk, [runtimes.deno, ...flags]));
});
for (const bundler of ["esbuild", "webpack", "vite"] as const)
  test(`workerd, bundled by ${bundler}`, async (t) => {
    const bundled = await bundleWorker(sdk, bundler);
    const isWhole = bundler === "esbuild";
    await runSuite(t, await workerRunner(sdk, bundled, []), isWhole ? {} : { only: IN_EACH_BUNDLE });
    await t.test("with Node.js compatibility", async (t) =>
      runSuite(t, await workerRunner(sdk, bundled, ["nodejs_compat"]), { only: IN_EACH_BUNDLE }),
    );
  });
test("Chromium", { skip: noBrowser }, async (t) => runSuite(t, page.run));

test("Node.js behind a proxy, to a server whose authority is in a file", async (t) => {
  const authority = await TestAuthority.make(sdk.folder);
  const tls = await authority.issue("wrenn.test");
  const target = { host: "127.0.0.1", port: Number(new URL(server.url).port) };
  await using front = await FaultProxy.start({ target, tls });
  const names = { "wrenn.test:443": `127.0.0.1:${front.port}` };
  for (const node of [runtimes.node20, runtimes.nodeNewest]) {
    await using proxy = await ConnectProxy.start({ names });
    const env = { HTTPS_PROXY: proxy.url, WRENN_CA_FILE: authority.caFile };
    const options = { only: BEHIND_A_PROXY, url: "https://wrenn.test" };
    await runSuite(t, await processRunner(sdk, [node], env), options);
    assert.ok(proxy.tunnels.length > 0, "the requests went through the proxy");
  }
});
