import assert from "node:assert/strict";
import { chmod, mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { startControlPlane } from "@wrenn/server";
import { tryCommand } from "@wrenn/system";
import { ApiCaller } from "../support/api-caller.ts";
import { projectRoot } from "../support/sources.ts";

const root = await mkdtemp("/tmp/wrenn-db-");
await chmod(root, 0o711);
after(() => rm(root, { recursive: true, force: true }));

const start = (name: string) =>
  startControlPlane({
    config: {
      dataDirectory: join(root, name),
      cacheDirectory: process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn",
      host: "127.0.0.1",
      port: 0,
      domain: "localhost",
      databaseUrl: undefined,
    },
    logger: silentLogger,
    progress: () => {},
    signal: AbortSignal.timeout(120_000),
  });
const db = (name: string, args: readonly string[], env: Record<string, string> = {}) =>
  tryCommand([join(projectRoot, "wrenn"), "db", ...args], {
    env: { PATH: process.env["PATH"] ?? "", WRENN_DATA_DIR: join(root, name), ...env },
  });

test("a key of one server works on another one after backup and restore by the command line", async () => {
  const file = join(root, "wrenn.backup");
  const missing = await db("first", ["backup", file]);
  assert.deepEqual([missing.code, /there is no database/.test(missing.stderr)], [2, true], missing.stderr);

  const first = await start("first");
  const key = first.apiKey ?? "";
  try {
    const backup = await db("first", ["backup", file]);
    assert.equal(backup.code, 0, backup.stderr);
    assert.match(backup.stdout, /^backed up \d+ rows of \d+ tables/);
    const running = await db("first", ["restore", "--force", file]);
    assert.equal(running.code, 2, running.stdout);
    assert.match(running.stderr, /a server already runs/);
    const { status } = await new ApiCaller(first.url, key).call("GET", "/v1/capsules");
    assert.equal(status, 200);
  } finally {
    await first.close("leave");
  }

  const restored = await db("second", ["restore", file]);
  assert.equal(restored.code, 0, restored.stderr);
  const again = await db("second", ["restore", file]);
  assert.equal(again.code, 2, again.stdout);
  assert.match(again.stderr, /--force/);
  const forced = await db("second", ["restore", "--force", file]);
  assert.equal(forced.code, 0, forced.stderr);
  assert.match(forced.stdout, /the database that was there is in .*database\.replaced-/);
  const second = await start("second");
  try {
    const { status } = await new ApiCaller(second.url, key).call("GET", "/v1/capsules");
    assert.equal(status, 200);
  } finally {
    await second.close("leave");
  }
});

test("a database that somebody else runs is not in our care", async () => {
  const { code, stderr } = await db("third", ["backup", join(root, "x")], {
    DATABASE_URL: "postgresql://localhost/x",
  });
  assert.equal(code, 2);
  assert.match(stderr, /pg_dump/);
});
