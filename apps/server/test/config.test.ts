import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { readConfig, startServer, withFlags } from "@wrenn/server";

test("directories are absolute, whatever the environment says", () => {
  const { dataDirectory, cacheDirectory } = readConfig({
    WRENN_DATA_DIR: "data",
    WRENN_CACHE_DIR: "../cache",
  });
  assert.deepEqual([dataDirectory, cacheDirectory], [resolve("data"), resolve("../cache")]);
});

test("a create is answered early after 2 s, or what the environment says", () => {
  assert.equal(readConfig({}).createAnswerMs, 2000);
  assert.equal(readConfig({ WRENN_CREATE_WAIT: "0.25" }).createAnswerMs, 250);
});

test("limits of accounts come from the environment", () => {
  assert.deepEqual(readConfig({}).accountLimits, {});
  const env = { WRENN_TEAMS_PER_OWNER: "3", WRENN_AUDIT_DAYS: "30", WRENN_AUDIT_ENTRIES: "5000" };
  assert.deepEqual(readConfig(env).accountLimits, { teamsPerOwner: 3, auditDays: 30, auditEntries: 5000 });
});

test("values that make no sense are named", () => {
  for (const [name, value] of [
    ["WRENN_LISTEN", "nonsense"],
    ["WRENN_CREATE_WAIT", "-1"],
    ["WRENN_CREATE_WAIT", "2.5s"],
    ["WRENN_WARM_MACHINES", "many"],
    ["WRENN_ACCELERATOR", "KVM"],
    ["WRENN_MACHINE_START", "fork"],
    ["WRENN_SIGN_UP", "yes"],
    ["WRENN_SIGN_UP", ""],
    ["WRENN_TEAMS_PER_OWNER", "0"],
    ["WRENN_AUDIT_DAYS", "-1"],
    ["WRENN_AUDIT_ENTRIES", "1e9"],
    ["WRENN_CPU_MODEL", "EPYC,+vmx"],
    ["WRENN_CPU_MODEL", ""],
  ] as const)
    assert.throws(() => readConfig({ [name]: value }), { reason: "invalid_field" }, name);
});

test("what machines run on is chosen by the host unless the operator chooses it", () => {
  assert.equal(readConfig({}).accelerator, "auto");
  for (const accelerator of ["auto", "kvm", "tcg"])
    assert.equal(readConfig({ WRENN_ACCELERATOR: accelerator }).accelerator, accelerator);
  assert.equal(readConfig({}).cpuModel, undefined);
  assert.equal(readConfig({ WRENN_CPU_MODEL: "Skylake-Server-v4" }).cpuModel, "Skylake-Server-v4");
});

test("machines are forked unless the operator has them executed", () => {
  assert.equal(readConfig({}).machineStart, "zygote");
  assert.equal(readConfig({ WRENN_MACHINE_START: "exec" }).machineStart, "exec");
});

test("a data directory that cannot be is the operator's to mend", async () => {
  const config = { ...readConfig({ WRENN_DATA_DIR: `${import.meta.filename}/below` }, "127.0.0.1:0") };
  const signal = new AbortController().signal;
  await assert.rejects(startServer({ config, logger: silentLogger, progress: () => {}, signal }), {
    reason: "invalid_field",
    message: /WRENN_DATA_DIR cannot be used/,
  });
});

test("plain HTTP stays on this machine next to TLS, unless the operator says otherwise", () => {
  const config = withFlags(readConfig({}), { tls: "0.0.0.0:443" });
  assert.deepEqual([config.host, config.tls?.host], ["127.0.0.1", "0.0.0.0"]);
  const asked = withFlags(readConfig({ WRENN_LISTEN: "0.0.0.0:80" }), { tls: "0.0.0.0:443" });
  assert.equal(asked.host, "0.0.0.0");
});
