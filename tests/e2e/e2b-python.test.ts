import assert from "node:assert/strict";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { findServer, localServerFiles, tryCommand } from "@wrenn/system";
import { e2bVariables } from "../../apps/cli/src/client/e2b-variables.ts";
import { runPythonChecks } from "../support/e2b-python-checks.ts";
import type { Flavor } from "../support/e2b-python-checks.ts";
import { needsRoot } from "../support/network-lab.ts";
import { pythonEnvironment } from "../support/python-environments.ts";
import { projectRoot } from "../support/sources.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/*
 * The published Python clients of E2B, unmodified, with the variables that `wrenn e2b env` prints: over plain HTTP, and with a domain over
 * TLS, where the server's own name server answers.
 */

const LONG = process.env["WRENN_TEST_LONG"] === "1";
const OLD = "2.45.1";
/** An address for port 53, which resolvers always ask: one of each process. */
const nameServer = `127.53.${(process.pid >> 8) & 0xff}.${process.pid & 0xff}`;

let server: TestServer;
let variables: { readonly plain: string; readonly domain: string };
before(async () => {
  server = await startTestServer({
    config: {
      domain: "wrenn.test",
      tls: { host: "127.0.0.1", port: 0 },
      dns: { host: nameServer, port: 53 },
    },
    keepsE2bKey: true,
    // Clients that ask for a template which is being built are told to come again.
    buildBuiltIn: async (_name, _onProgress, signal) => {
      if (!signal.aborted) await once(signal, "abort");
      signal.throwIfAborted();
    },
  });
  const files = localServerFiles(server.dataDirectory);
  const record = await findServer(files.serverRecord);
  assert.ok(record);
  variables = {
    plain: e2bVariables({ url: record.url }, files.e2bKey),
    domain: e2bVariables(record, files.e2bKey),
  };
});
after(() => server.close());

test("the newest client finds every part of a sandbox over plain HTTP", async (t) => {
  const checks = { lock: "newest", level: LONG ? "long" : "usual", variables: variables.plain } as const;
  await both((flavor) => runPythonChecks(t, { ...checks, flavor }));
});

test(
  "the newest client needs no more than the domain, the key and the CA",
  { skip: needsRoot },
  async (t) => {
    const checks = { lock: "newest", level: LONG ? "usual" : "brief", variables: variables.domain } as const;
    await both((flavor) => runPythonChecks(t, { ...checks, flavor, nameServer }));
  },
);

test("an older client works over plain HTTP and with a domain", { skip: needsRoot }, async (t) => {
  const level = LONG ? "usual" : "smoke";
  await both((flavor) => runPythonChecks(t, { lock: OLD, flavor, level, ...reachOf[flavor]() }));
});

test(
  "an older client works the other way round",
  { skip: LONG ? needsRoot : "only with --long" },
  async (t) => {
    await both((flavor) =>
      runPythonChecks(t, { lock: OLD, flavor, level: "usual", ...reachOf[other[flavor]]() }),
    );
  },
);

test("the example of the guide says hello", async (t) => {
  const { python, missing } = await pythonEnvironment("newest");
  if (missing !== undefined) {
    t.skip(missing);
    return;
  }
  const guide = await readFile(join(projectRoot, "docs/guides/from-e2b.md"), "utf8");
  const [, example = ""] = /```python\n([^]*?)```/.exec(guide) ?? [];
  const run = ["sh", "-c", `${variables.plain}exec "$0" -`, python] as const;
  const { stdout, stderr } = await tryCommand(run, { input: example });
  assert.equal(stdout, "hello from user\n\n", stderr);
});

const other = { sync: "async", async: "sync" } as const;

/** Each of the two ways to call the client with one of the two ways to reach the server. */
const reachOf = {
  sync: () => ({ variables: variables.plain }),
  async: () => ({ variables: variables.domain, nameServer }),
} as const;

/** Runs what is given with both ways of calling the client at once. */
async function both(run: (flavor: Flavor) => Promise<void>): Promise<void> {
  await Promise.all([run("sync"), run("async")]);
}
