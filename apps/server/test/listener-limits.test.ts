import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { defaultListenerLimits } from "@wrenn/edge";
import { connectionsWithin, listenerLimits, readListenerSettings } from "../src/config/listener-limits.ts";
import { readConfig } from "../src/config/server-config.ts";

test("limits of connections come from the environment", () => {
  assert.deepEqual(readListenerSettings({}), {});
  assert.deepEqual(readListenerSettings({ WRENN_CONNECTIONS: "500", WRENN_ADDRESS_CONNECTIONS: "20" }), {
    connections: 500,
    perNetwork: 20,
    perSite: 80,
  });
  for (const wrong of ["", "0", "-1", "many", "1e3", "10000000"])
    assert.throws(
      () => readListenerSettings({ WRENN_CONNECTIONS: wrong }),
      { reason: "invalid_field" },
      wrong,
    );
});

test("trusted proxies come from the environment; by default no one is trusted", () => {
  assert.equal(readConfig({}).proxies, undefined);
  const { proxies } = readConfig({ WRENN_TRUSTED_PROXIES: "10.0.0.0/8" });
  assert.deepEqual([proxies?.trusts("10.1.2.3"), proxies?.trusts("11.1.2.3")], [true, false]);
  assert.throws(() => readConfig({ WRENN_TRUSTED_PROXIES: "all" }), { reason: "invalid_field" });
});

test("clients never get the descriptors that the database and machines need", async () => {
  for (const [descriptors, connections] of [
    [262_144, 129_024],
    [20_000, 7952],
    [1024, 256],
    [3, 1],
  ] as const)
    assert.equal(connectionsWithin(descriptors), connections, String(descriptors));
  assert.equal(connectionsWithin(Infinity), Infinity);
  const warnings: string[] = [];
  const logger = { ...silentLogger, warn: (event: string) => void warnings.push(event) };
  const limits = await listenerLimits({ connections: 1_000_000 }, logger);
  assert.ok(limits.connections < 1_000_000 && limits.connections > 0);
  assert.equal(limits.perNetwork, defaultListenerLimits.perNetwork);
  assert.deepEqual(warnings, ["listener.connections_reduced"]);
});

test("the launcher gives the server its threads, and all descriptors that it may have", () => {
  const launcher = join(import.meta.dirname, "../../../wrenn");
  // Node prints it before the command line begins.
  const print = [
    "import { readFileSync } from 'node:fs';",
    "const [, ...limits] = readFileSync('/proc/self/limits', 'utf8').match(/Max open files +(\\S+) +(\\S+)/);",
    "console.log(process.env.UV_THREADPOOL_SIZE, ...limits);",
  ].join("");
  const run = (limit: string): string =>
    spawnSync("sh", ["-c", `${limit} exec "$0" help nothing`, launcher], {
      encoding: "utf8",
      env: {
        ...process.env,
        UV_THREADPOOL_SIZE: undefined,
        NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(print)}`,
      },
    }).stdout.split("\n", 1)[0] ?? "";
  const [threads, soft, hard] = run("ulimit -Sn 512;").split(" ");
  assert.deepEqual([threads, soft], ["16", hard]);
});
