/* Drawn: packages/memory-image/test shows its parts. */
import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Alone: its capsules have 5 GiB. */

/** MiB; beyond what 32 bits of bytes, signed or not, can tell. Linux gives out memory from its end first. */
const MEMORY_MIB = 5120;

let server: TestServer;
let id: string;
before(async () => {
  server = await startTestServer({ config: { packAfterSec: 1 } });
  id = await server.capsule(undefined, { vcpus: 2, memory_mb: MEMORY_MIB });
});
after(() => server.close());

const digest = async (capsule: string): Promise<string> =>
  (await server.shell(capsule, "sha256sum /dev/shm/data /root/data")).stdout;

test("a capsule of 5 GiB has them, and both of its processors", async () => {
  const { stdout } = await server.shell(id, "awk '/MemTotal/{print $2}' /proc/meminfo; nproc");
  const [total = 0, processors] = stdout.split("\n").map(Number);
  assert.ok(total / 1024 > MEMORY_MIB * 0.95 && total / 1024 <= MEMORY_MIB, `${total} KiB`);
  assert.equal(processors, 2);
});

test("its memory is the same after a pause in which it was packed, in a fork, and in a capsule of its template", async (t) => {
  await server.shell(id, "head -c 48M /dev/urandom > /dev/shm/data; cp /dev/shm/data /root/data");
  const before_ = await digest(id);
  const [first, second] = before_.split("\n").map((line) => line.split(" ")[0]);
  assert.equal(first, second);
  assert.equal((await server.call("POST", `/v1/capsules/${id}/pause`)).status, 200);
  const generation = join(server.capsulesDirectory, id, "generations", "g1");
  await eventually(
    "a long pause packs the memory",
    async () => (await readdir(generation)).includes("memory.chunks"),
    { timeoutMs: 60_000 },
  );
  assert.equal((await server.call("POST", `/v1/capsules/${id}/resume`)).status, 200);
  assert.equal(await digest(id), before_);
  const forked = await server.call<{ id: string }[]>("POST", `/v1/capsules/${id}/fork`, { count: 1 });
  assert.equal(forked.status, 201, JSON.stringify(forked.body));
  const [child] = forked.body;
  assert.ok(child);
  assert.equal(await digest(child.id), before_);
  assert.equal((await server.call("DELETE", `/v1/capsules/${child.id}`)).status, 204);
  const made = await server.call("POST", "/v1/snapshots", { sandbox_id: id, name: "large" });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const copy = await server.capsule(t, { template: "large" });
  assert.equal(await digest(copy), before_);
});
