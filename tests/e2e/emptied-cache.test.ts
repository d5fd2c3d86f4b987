/* Drawn: tests/e2e/image-machines.test.ts shows the same of images. */
import assert from "node:assert/strict";
import { chmod, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runCommand } from "@wrenn/system";
import { cacheDirectory, minimalArtifacts } from "../support/real-machines.ts";
import { ServerProcess } from "../support/server-process.ts";

/* The cache may be emptied at any time: nothing that capsules or templates need lies in it alone. */

let root = "";
let cache = "";
let server: ServerProcess;
before(async () => {
  await minimalArtifacts();
  root = await mkdtemp("/tmp/wrenn-cache-");
  // The database's user passes through here.
  await chmod(root, 0o755);
  cache = join(root, "cache");
  await fillCache();
  process.env["WRENN_CACHE_DIR"] = cache;
  server = await ServerProcess.start();
});
after(async () => {
  await server.close();
  await rm(root, { recursive: true, force: true });
});

/** A cache of its own with what the common one has; large files are second names. */
async function fillCache(): Promise<void> {
  await runCommand(["mkdir", "-p", cache]);
  const present = await readdir(cache);
  for (const kind of ["kernel", "initramfs", "rootfs", "postgresql"].filter((one) => !present.includes(one)))
    await runCommand(["cp", "-al", join(cacheDirectory, kind), cache]).catch(() => undefined);
}

/** Everything but the programs of the database, which runs. */
async function emptyCache(): Promise<void> {
  for (const kind of await readdir(cache))
    if (kind !== "postgresql") await rm(join(cache, kind), { recursive: true });
}

const verb = <T = { status: string }>(id: string, name: string, body?: unknown) =>
  server.api.call<T>("POST", `/v1/capsules/${id}/${name}`, body);

test("capsules, checkpoints and templates work with the cache emptied, also after a restart", async () => {
  const id = await server.api.capsule(undefined, { memory_mb: 256 });
  const idle = await server.api.capsule(undefined, { memory_mb: 512 });
  await server.api.shell(id, "echo kept > /root/file; echo kept > /dev/shm/file");
  assert.equal((await verb(id, "checkpoints", { name: "first" })).status, 201);
  assert.equal((await verb(id, "pause")).status, 200);

  await emptyCache();
  assert.equal((await verb(id, "resume")).status, 200);
  assert.equal((await server.api.shell(id, "cat /root/file /dev/shm/file")).stdout, "kept\nkept\n");
  // Reads of files that no capsule has touched yet come from the image.
  assert.match((await server.api.shell(id, "cat /usr/bin/* > /dev/null && echo read")).stdout, /^read\n$/);
  assert.equal((await verb(id, "pause")).status, 200);
  const snapshot = { sandbox_id: id, name: "made-without-cache" };
  assert.equal((await server.api.call("POST", "/v1/snapshots", snapshot)).status, 201);
  const copy = await server.api.capsule(undefined, { template: "made-without-cache" });
  assert.equal((await server.api.shell(copy, "cat /dev/shm/file")).stdout, "kept\n");

  // Machines and a paused capsule go over the restart; what the server itself needs to start is made anew.
  await server.kill();
  await fillCache();
  await server.start();
  await emptyCache();
  assert.equal((await verb(id, "checkpoints/g1/restore")).status, 200);
  assert.equal((await server.api.shell(id, "cat /root/file")).stdout, "kept\n");
  assert.equal((await server.api.shell(copy, "cat /root/file")).stdout, "kept\n");
  assert.equal((await verb(idle, "pause")).status, 200);
  assert.equal((await verb(idle, "resume")).status, 200);
  const created = await server.api.capsule(undefined, { template: "made-without-cache" });
  for (const one of [id, idle, copy, created])
    assert.equal((await server.api.call("DELETE", `/v1/capsules/${one}`)).status, 204);

  // What nothing depends on any more goes at the next start.
  assert.equal((await readdir(join(server.dataDirectory, "bases"))).length, 2);
  assert.equal((await server.api.call("DELETE", "/v1/snapshots/made-without-cache")).status, 204);
  await server.kill();
  await fillCache();
  await server.start();
  assert.equal((await readdir(join(server.dataDirectory, "bases"))).length, 1, "that of the default shape");
});
