/* Drawn: packages/host-agent/test shows the same on fake machines. */
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { machinesBelow } from "../support/machines-below.ts";
import { ServerProcess } from "../support/server-process.ts";

/*
 * The page server of a machine ends with the server process. Killed while memory is still to come, that takes the machine with it;
 * the capsule is then where it was before the resume.
 */

let server: ServerProcess;
before(async () => {
  process.env["WRENN_PACK_AFTER_SEC"] = "1";
  server = await ServerProcess.start();
});
after(async () => {
  await server.close();
  assert.deepEqual(await machinesBelow(server.dataDirectory), []);
});

const verb = (id: string, name: string) =>
  server.api.call<{ status: string }>("POST", `/v1/capsules/${id}/${name}`);

async function packed(id: string): Promise<void> {
  const root = join(server.dataDirectory, "capsules", id, "generations");
  let names: string[] = [];
  await eventually(
    "the newest generation is packed",
    async () => {
      const newest = (await readdir(root)).toSorted().findLast((name) => /^g\d+$/.test(name)) ?? "";
      names = await readdir(join(root, newest));
      return names.includes("memory.chunks") && !names.includes("memory.diff");
    },
    { timeoutMs: 60_000, details: () => names },
  );
}

test("the server is killed while memory is brought in: nothing is lost, and other capsules do not notice", async () => {
  const other = await server.api.capsule(undefined, { memory_mb: 256 });
  const id = await server.api.capsule(undefined, { memory_mb: 512 });
  // Bytes that do not compress, so that bringing them in takes its time.
  await server.api.shell(
    id,
    "head -c 150M /dev/urandom > /dev/shm/big; sha256sum < /dev/shm/big > /root/sum",
  );
  assert.equal((await verb(id, "pause")).status, 200);
  await packed(id);
  assert.equal((await verb(id, "resume")).status, 200);
  await server.kill();
  // Long enough for the machine to notice.
  await new Promise((resolve) => setTimeout(resolve, 500));
  await server.start();

  const { body } = await server.api.call<{ status: string }>("GET", `/v1/capsules/${id}`);
  assert.ok(body.status === "paused" || body.status === "running", `the capsule is ${body.status}`);
  if (body.status === "paused") assert.equal((await verb(id, "resume")).status, 200);
  const same = await server.api.shell(
    id,
    'test "$(sha256sum < /dev/shm/big)" = "$(cat /root/sum)" && echo same',
  );
  assert.equal(same.stdout, "same\n");
  assert.equal((await server.api.shell(other, "echo fine")).stdout, "fine\n");
  assert.equal((await verb(id, "pause")).status, 200);
  assert.equal((await verb(id, "resume")).status, 200);
  assert.equal((await server.api.shell(id, "echo fine")).stdout, "fine\n");
});
