import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { operationSteps } from "@wrenn/host-agent";
import { assertClock } from "../support/guest-clock.ts";
import { startTestServer } from "../support/test-server.ts";

/*
 * A step of pausing, resuming or keeping a moment fails, because the disk is full or because the machine is killed: the caller
 * is told why, and the capsule is where it was.
 */

let fault:
  | { readonly operation: string; readonly step: string; readonly inject: () => Promise<void> }
  | undefined;

const server = await startTestServer({
  onStep: async (_capsule, operation, step) => {
    if (operation === fault?.operation && step === fault.step) await fault.inject();
  },
});
after(() => server.close());

interface CapsuleBody {
  readonly id: string;
  readonly status: string;
}
interface Refusal {
  readonly error: { readonly code: string; readonly reason: string };
}

const verb = <T = Refusal>(id: string, name: string, body?: unknown) =>
  server.call<T>("POST", `/v1/capsules/${id}/${name}`, body);
const operations = {
  pause: (id: string) => verb(id, "pause"),
  resume: (id: string) => verb(id, "resume"),
  checkpoint: (id: string) => verb(id, "checkpoints", {}),
  fork: (id: string) => verb(id, "fork", { count: 2 }),
  snapshot: (id: string) => server.call<Refusal>("POST", "/v1/snapshots", { sandbox_id: id, name: "faulty" }),
} as const;
const statusOf = async (id: string): Promise<string> =>
  (await server.call<CapsuleBody>("GET", `/v1/capsules/${id}`)).body.status;

const subject = await server.capsule(undefined, { memory_mb: 256 });
await server.shell(subject, "echo kept > /root/file; echo kept > /dev/shm/file");

async function works(id: string): Promise<void> {
  assert.equal((await server.shell(id, "cat /root/file /dev/shm/file")).stdout, "kept\nkept\n");
  await assertClock(server, id, "after a failure");
}

for (const operation of Object.keys(operations) as (keyof typeof operations)[]) {
  for (const step of operationSteps[operation]) {
    // After the commit of a pause its failure is nobody's any more: the generation is safe.
    const harmless = operation === "pause" && step === "release";
    test(`disk full at step "${step}" of ${operation}: ${harmless ? "it succeeds all the same" : "told, and the capsule is where it was"}`, async () => {
      // A snapshot pauses a capsule that runs, which would be another operation.
      if (operation === "resume" || operation === "snapshot")
        assert.equal((await verb(subject, "pause")).status, 200);
      const before = await statusOf(subject);
      fault = {
        operation,
        step,
        inject: async () => {
          throw new WrennError("disk_full", { path: server.capsulesDirectory });
        },
      };
      const answer = await operations[operation](subject);
      fault = undefined;
      if (harmless) assert.equal(answer.status, 200);
      else {
        assert.deepEqual([answer.status, answer.body.error.reason], [502, "disk_full"]);
        assert.equal(await statusOf(subject), before);
      }
      const others = await readdir(server.capsulesDirectory);
      assert.deepEqual(others, [subject], "no child of a fork that failed is left");
      assert.deepEqual(await readdir(join(server.dataDirectory, "templates")), []);
      if ((await statusOf(subject)) === "paused") assert.equal((await verb(subject, "resume")).status, 200);
      await works(subject);
      const generations = await readdir(join(server.capsulesDirectory, subject, "generations"));
      assert.ok(generations.length <= 4, `half-made generations stay: ${generations.join(" ")}`);
    });
  }
}

test("one child of a fork cannot start: told, no child is left, and the source goes on", async () => {
  let children = 0;
  fault = {
    operation: "create",
    step: "guest",
    inject: async () => {
      children += 1;
      if (children === 2) throw new WrennError("disk_full", { path: server.capsulesDirectory });
    },
  };
  const answer = await operations.fork(subject);
  fault = undefined;
  assert.deepEqual([answer.status, answer.body.error.reason], [502, "disk_full"]);
  assert.deepEqual(await readdir(server.capsulesDirectory), [subject]);
  await works(subject);
});

async function killMachine(id: string): Promise<void> {
  const record = await readFile(join(server.capsulesDirectory, id, "run", "machine.json"), "utf8");
  const { pid } = JSON.parse(record) as { pid: number };
  process.kill(pid, "SIGKILL");
  // On a busy machine a killed process still lives for a moment, in which its memory can be saved.
  await eventually("its memory is gone", async () => {
    const sizes = await readFile(`/proc/${pid}/statm`, "utf8").catch(() => "0 ");
    return sizes.startsWith("0 ");
  });
}

for (const step of ["guest", "identity"] as const) {
  test(`machine killed at step "${step}" of resume: told, and the capsule stays paused with its state`, async () => {
    assert.equal((await verb(subject, "pause")).status, 200);
    fault = { operation: "resume", step, inject: () => killMachine(subject) };
    const answer = await verb(subject, "resume");
    fault = undefined;
    assert.deepEqual([answer.status, answer.body.error.code], [502, "agent_error"]);
    assert.equal(await statusOf(subject), "paused");
    assert.equal((await verb(subject, "resume")).status, 200);
    await works(subject);
  });
}

for (const step of ["quiesce", "stop", "device-state", "memory"] as const) {
  test(`machine killed at step "${step}" of pause: told, and the capsule has failed with everything released`, async (t) => {
    const id = await server.capsule(t, { memory_mb: 256 });
    fault = { operation: "pause", step, inject: () => killMachine(id) };
    const answer = await verb(id, "pause");
    fault = undefined;
    assert.deepEqual([answer.status, answer.body.error.code], [502, "agent_error"]);
    await eventually("the capsule has failed", async () => (await statusOf(id)) === "error");
  });
}

test("a damaged, cut, missing or foreign generation is refused, and the capsule stays paused", async (t) => {
  const { appendFile, copyFile, open, rename, truncate, writeFile } = await import("node:fs/promises");
  const id = await server.capsule(t, { memory_mb: 256 });
  await server.shell(id, "echo kept > /root/file; echo kept > /dev/shm/file");
  assert.equal((await verb(id, "pause")).status, 200);
  const generation = join(server.capsulesDirectory, id, "generations", "g1");
  await eventually("the generation is read back", async () =>
    (await readdir(generation)).includes("checksums.json"),
  );
  const flip = async (path: string): Promise<void> => {
    const file = await open(path, "r+");
    const byte = Buffer.alloc(1);
    await file.read(byte, 0, 1, 9000);
    byte[0] = (byte[0] ?? 0) ^ 1;
    await file.write(byte, 0, 1, 9000);
    await file.close();
  };
  const damages: Readonly<Record<string, (path: string) => Promise<void>>> = {
    "cut short": (path) => truncate(path, 5000),
    "one bit flipped": flip,
    grown: (path) => appendFile(path, "x"),
    "replaced by something else": (path) => writeFile(path, "nonsense"),
    missing: (path) => rename(path, `${path}.away`),
  };
  for (const name of ["memory.diff", "device-state"]) {
    const path = join(generation, name);
    await copyFile(path, `${path}.good`);
    for (const [what, damage] of Object.entries(damages)) {
      await damage(path);
      const answer = await verb(id, "resume");
      assert.deepEqual(
        [name, what, answer.status, answer.body.error?.reason],
        [name, what, 502, "snapshot_corrupt"],
      );
      assert.equal(await statusOf(id), "paused");
      await copyFile(`${path}.good`, path);
    }
  }
  assert.equal((await verb(id, "resume")).status, 200);
  await works(id);
});
