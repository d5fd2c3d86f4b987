import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { operationSteps } from "@wrenn/host-agent";
import { findLeftovers } from "@wrenn/system";
import { assertClock } from "../support/guest-clock.ts";
import { leftSince } from "../support/left-of-capsules.ts";
import { ServerProcess } from "../support/server-process.ts";

/*
 * Kills the server before every step of every operation, as listed by the operations themselves, and starts it again: the
 * capsule must be in one legal state, its program untouched, and nothing of half-done work may be left. Each run takes every
 * third step, which the seed draws; `--long` takes all.
 */

const LONG = process.env["WRENN_TEST_LONG"] === "1";
const SEED = Number(process.env["WRENN_TEST_SEED"] ?? Date.now() % 2 ** 31);

let server: ServerProcess;
let leftBefore: readonly string[];
before(async () => {
  leftBefore = await findLeftovers();
  server = await ServerProcess.start();
});
after(async () => {
  await server.close();
  assert.deepEqual(await leftSince(leftBefore), []);
});

const program = `
import hashlib, time
data = bytes(range(256)) * 1024
n = 0
while True:
    n += 1
    open('/tmp/count.new', 'w').write(f'{n} {hashlib.sha256(data).hexdigest()}')
    import os; os.rename('/tmp/count.new', '/tmp/count')
    time.sleep(0.05)
`;

interface CapsuleBody {
  readonly id: string;
  readonly status: string;
}

let subject = "";
let count = 0;
let checksum = "";

/** The capsule that goes through the matrix: a program counts in it and keeps a checksum of its memory. */
async function ensureSubject(): Promise<void> {
  if (subject !== "") return;
  subject = await server.api.capsule(undefined, { memory_mb: 256 });
  await startProgram();
  await observe();
}

async function startProgram(): Promise<void> {
  await server.api.shell(subject, "rm -f /tmp/count");
  await server.api.exec(subject, "python3", ["-c", program], { background: true, tag: "counter" });
  count = 0;
  checksum = "";
}

/** Reads the program's counter, which must go on, and its checksum, which must not change. */
async function observe(): Promise<void> {
  const look = async (): Promise<{ number: number; sum: string } | undefined> => {
    const { stdout } = await server.api.shell(subject, "cat /tmp/count 2>/dev/null || true");
    const [number = "0", sum = ""] = stdout.split(" ");
    return Number(number) > count && sum !== "" ? { number: Number(number), sum } : undefined;
  };
  const { number, sum } = await eventually(`the program counts beyond ${count}`, look, { intervalMs: 100 });
  assert.ok(checksum === "" || checksum === sum, "the program's memory changed");
  count = number;
  checksum = sum;
}

async function statusOf(id: string): Promise<string> {
  return (await server.api.call<CapsuleBody>("GET", `/v1/capsules/${id}`)).body.status;
}

const verb = (id: string, name: string, body?: unknown) =>
  server.api.call<CapsuleBody>("POST", `/v1/capsules/${id}/${name}`, body);

/** Brings the capsule to where an operation can begin, and begins it; the server dies meanwhile. */
const begin: Readonly<Record<keyof typeof operationSteps, () => Promise<unknown>>> = {
  create: () => server.api.call("POST", "/v1/capsules", { memory_mb: 256 }),
  resume: async () => {
    await server.crashAt("");
    assert.equal((await verb(subject, "pause")).status, 200);
    await server.crashAt(armed);
    return await verb(subject, "resume");
  },
  pause: () => verb(subject, "pause"),
  "pause-disk": () => verb(subject, "pause", { memory: false }),
  checkpoint: () => verb(subject, "checkpoints", {}),
  fork: () => verb(subject, "fork", { count: 2 }),
  snapshot: () => server.api.call("POST", "/v1/snapshots", { sandbox_id: subject, name: "matrix" }),
  destroy: () => server.api.call("DELETE", `/v1/capsules/${subject}`),
};
let armed = "";

async function snapshotWorks(): Promise<void> {
  const made = await server.api.call("POST", "/v1/snapshots", { sandbox_id: subject, name: "matrix" });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const id = await server.api.capsule(undefined, { template: "matrix" });
  assert.equal((await server.api.call("DELETE", `/v1/capsules/${id}`)).status, 204);
  assert.equal((await server.api.call("DELETE", "/v1/snapshots/matrix")).status, 204);
  assert.equal((await verb(subject, "resume")).status, 200);
  await observe();
}

/** Ends what the fork has left, which has to be what the host has. */
async function endChildren(): Promise<void> {
  const { body } = await server.api.call<CapsuleBody[]>("GET", "/v1/capsules");
  const present = await readdir(join(server.dataDirectory, "capsules"));
  assert.deepEqual(present.toSorted(), body.map(({ id }) => id).toSorted());
  for (const { id, status } of body.filter((one) => one.id !== subject)) {
    assert.equal(status, "running");
    await server.api.shell(id, "true");
    assert.equal((await server.api.call("DELETE", `/v1/capsules/${id}`)).status, 204);
  }
}

for (const [operation, steps] of Object.entries(operationSteps) as [
  keyof typeof operationSteps,
  readonly string[],
][]) {
  for (const [at, step] of steps.entries()) {
    // Each step of a pause to disk boots a machine; packages/host-agent/test/pause-to-disk.test.ts has all of them on fake machines.
    const isDrawn = operation === "pause-disk" ? step === "stop" : at % 3 === SEED % 3;
    const isSkipped = !LONG && !isDrawn;
    const options = { timeout: 120_000, skip: isSkipped && `not drawn by seed ${SEED}; --long takes all` };
    test(`the server is killed before step "${step}" of ${operation}`, options, async () => {
      await ensureSubject();
      armed = `${operation}:${step}`;
      if (operation !== "resume") await server.crashAt(armed);
      await assert.rejects(begin[operation](), "the server dies before it answers");
      await server.gone();
      await server.crashAt("");
      await server.start();

      const status = await statusOf(subject);
      if (operation === "destroy") {
        assert.equal(status, "stopped");
        subject = "";
      } else {
        assert.ok(status === "running" || status === "paused", `${subject} is ${status}`);
        if (status === "paused") assert.equal((await verb(subject, "resume")).status, 200);
        // Its processes have ended, at whatever step the server did.
        if (operation === "pause-disk") await startProgram();
        await assertClock(server.api, subject, "after the outage");
        await observe();
        // It can be worked with as if nothing had happened.
        assert.equal((await verb(subject, "pause")).status, 200);
        assert.equal((await verb(subject, "resume")).status, 200);
        await observe();
      }
      // A template is there as a whole or not at all, and its name is free again if it is not.
      if (operation === "snapshot") {
        const known = await server.api.call<{ name: string }[]>("GET", "/v1/snapshots");
        assert.deepEqual(
          known.body.filter(({ name }) => name === "matrix"),
          [],
        );
        assert.deepEqual(await readdir(join(server.dataDirectory, "templates")), []);
        await snapshotWorks();
      }
      // Children of a fork that had come so far run; the others are gone.
      if (operation === "fork") await endChildren();
      const listed = await server.api.call<CapsuleBody[]>("GET", "/v1/capsules");
      const expected = subject === "" ? [] : [subject];
      assert.deepEqual(
        listed.body.map(({ id }) => id),
        expected,
      );
      assert.deepEqual(await readdir(join(server.dataDirectory, "capsules")), expected);
      const generations =
        subject === "" ? [] : await readdir(join(server.dataDirectory, "capsules", subject, "generations"));
      assert.ok(generations.length <= 12, `generations pile up: ${generations.join(" ")}`);
    });
  }
}
