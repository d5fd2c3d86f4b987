import assert from "node:assert/strict";
import { resolve } from "node:path";
import { test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { readConfig, startServer } from "@wrenn/server";

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

test("values that make no sense are named", () => {
  for (const [name, value] of [
    ["WRENN_LISTEN", "nonsense"],
    ["WRENN_CREATE_WAIT", "-1"],
    ["WRENN_CREATE_WAIT", "2.5s"],
    ["WRENN_WARM_MACHINES", "many"],
  ] as const)
    assert.throws(() => readConfig({ [name]: value }), { reason: "invalid_field" }, name);
});

test("a data directory that cannot be is the operator's to mend", async () => {
  const config = { ...readConfig({ WRENN_DATA_DIR: `${import.meta.filename}/below` }, "127.0.0.1:0") };
  const signal = new AbortController().signal;
  await assert.rejects(startServer({ config, logger: silentLogger, progress: () => {}, signal }), {
    reason: "invalid_field",
    message: /WRENN_DATA_DIR cannot be used/,
  });
});
