/* Drawn: packages/memory-image/test and tests/chaos/packed-memory.test.ts show its parts. */
import assert from "node:assert/strict";
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { assertClock } from "../support/guest-clock.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Capsules that have been paused for long keep their memory compressed; whoever uses them does not notice. */

let server: TestServer;
before(async () => {
  server = await startTestServer({ config: { packAfterSec: 1 } });
});
after(() => server.close());

interface Refusal {
  readonly error?: { readonly reason: string };
  readonly status?: string;
}
const verb = (id: string, name: string, body?: unknown) =>
  server.call<Refusal>("POST", `/v1/capsules/${id}/${name}`, body);

const program = `
import hashlib, time
data = bytes(range(256)) * 40000
n = 0
while True:
    n += 1
    open('/tmp/count', 'w').write(f'{n} {hashlib.sha256(data).hexdigest()[:16]}')
    time.sleep(0.05)
`;

async function started(t: Parameters<TestServer["capsule"]>[0]): Promise<string> {
  const id = await server.capsule(t, { memory_mb: 256 });
  await server.exec(id, "python3", ["-c", program], { background: true, tag: "counter" });
  await counted(id, 1);
  return id;
}

async function counted(id: string, atLeast: number): Promise<{ count: number; sum: string }> {
  const look = async (): Promise<{ count: number; sum: string } | undefined> => {
    const { stdout } = await server.shell(id, "cat /tmp/count 2>/dev/null || true");
    const [count = "0", sum = ""] = stdout.split(" ");
    return Number(count) >= atLeast && sum !== "" ? { count: Number(count), sum } : undefined;
  };
  return await eventually(`the program has counted to ${atLeast}`, look, { intervalMs: 100 });
}

function directoryOf(id: string, generation: string): string {
  return join(server.capsulesDirectory, id, "generations", generation);
}

async function packedFiles(id: string, generation: string): Promise<readonly string[]> {
  const directory = directoryOf(id, generation);
  let names: readonly string[] = [];
  await eventually(
    `${generation} is packed`,
    async () => {
      names = await readdir(directory);
      return names.includes("memory.chunks") && !names.includes("memory.diff");
    },
    { details: () => names },
  );
  return names;
}

test("memory of a long pause is packed; resumed, its program goes on where it was, again and again", async (t) => {
  const id = await started(t);
  const before = await counted(id, 5);
  let last = before.count;
  for (let cycle = 1; cycle <= 3; cycle++) {
    assert.equal((await verb(id, "pause")).status, 200);
    const files = await packedFiles(id, `g${cycle}`);
    assert.deepEqual(files.toSorted(), ["checksums.json", "device-state", "memory.chunks"]);
    assert.equal((await verb(id, "resume")).status, 200);
    await assertClock(server, id, "resumed from packed memory");
    const now = await counted(id, last + 1);
    assert.equal(now.sum, before.sum, "the program's memory is what it was");
    last = now.count;
  }
  // Pausing at once waits for the memory that is still to come.
  assert.equal((await verb(id, "pause")).status, 200);
  await packedFiles(id, "g4");
  assert.equal((await verb(id, "resume")).status, 200);
  assert.equal((await verb(id, "pause")).status, 200);
  assert.equal((await verb(id, "resume")).status, 200);
  assert.equal((await counted(id, last + 1)).sum, before.sum);
  assert.ok((await stat(join(server.capsulesDirectory, id, "working-set"))).size > 0);
});

test("checkpoints, forks and templates work from packed memory", async (t) => {
  const id = await started(t);
  const { sum } = await counted(id, 2);
  await server.shell(id, "echo early > /dev/shm/note");
  assert.equal((await verb(id, "checkpoints", {})).status, 201);
  await server.shell(id, "echo late > /dev/shm/note");
  assert.equal((await verb(id, "pause")).status, 200);
  await packedFiles(id, "g1");
  await packedFiles(id, "g2");
  const name = "packed-template";
  const made = await server.call("POST", "/v1/snapshots", { sandbox_id: id, name });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const copy = await server.capsule(undefined, { template: name });
  assert.equal((await server.shell(copy, "cat /dev/shm/note")).stdout, "late\n");
  assert.equal((await server.call("DELETE", `/v1/capsules/${copy}`)).status, 204);
  assert.equal((await verb(id, "checkpoints/g1/restore")).status, 200);
  assert.equal((await server.shell(id, "cat /dev/shm/note")).stdout, "early\n");
  const forked = await server.call<{ id: string }[]>("POST", `/v1/capsules/${id}/fork`, { count: 1 });
  assert.equal(forked.status, 201, JSON.stringify(forked.body));
  assert.equal((await counted(id, 1)).sum, sum);
});

test("damaged packed memory is refused, and the capsule stays paused", async (t) => {
  const id = await started(t);
  assert.equal((await verb(id, "pause")).status, 200);
  await packedFiles(id, "g1");
  const path = join(directoryOf(id, "g1"), "memory.chunks");
  const flip = async (): Promise<void> => {
    await using file = await open(path, "r+");
    const byte = Buffer.alloc(1);
    const at = Math.floor((await file.stat()).size / 2);
    await file.read(byte, 0, 1, at);
    byte[0] = (byte[0] ?? 0) ^ 1;
    await file.write(byte, 0, 1, at);
  };
  await flip();
  const refused = await verb(id, "resume");
  assert.deepEqual([refused.status, refused.body.error?.reason], [502, "snapshot_corrupt"]);
  await flip();
  assert.equal((await verb(id, "resume")).status, 200);
  await counted(id, 1);
});
