/* Drawn: packages/host-agent/test/parked-*.test.ts shows the same on fake machines. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { ProcessIdentity } from "@wrenn/system";
import { ChangingMemory } from "../support/changing-memory.ts";
import { assertClock } from "../support/guest-clock.ts";
import { ParkedMachines } from "../support/parked-machines.ts";
import { StreamClient } from "../support/stream-client.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Paused capsules whose machines are kept are what every paused capsule is; a resume lets the machine run. */

const PACK_AFTER_SEC = 2;

let server: TestServer;
let parked: ParkedMachines;
before(async () => {
  server = await startTestServer({ config: { parkedMachines: 2, packAfterSec: PACK_AFTER_SEC } });
  parked = new ParkedMachines({ api: server, dataDirectory: server.dataDirectory });
});
after(() => server.close());

const verb = <T = unknown>(id: string, name: string, body?: unknown) =>
  server.call<T>("POST", `/v1/capsules/${id}/${name}`, body);

/** Counts without a pause and notes the largest difference of the monotonic clock between two counts, in ms. */
const counting = `
import time
n, largest, last = 0, 0, time.monotonic()
while True:
    now = time.monotonic()
    largest, last, n = max(largest, now - last), now, n + 1
    open('/dev/shm/count', 'w').write(f'{n} {largest * 1000:.0f}')
    time.sleep(0.01)
`;

async function countOf(id: string): Promise<{ readonly count: number; readonly largestMs: number }> {
  return await eventually("the program counts", async () => {
    const [count, largestMs] = (await server.shell(id, "cat /dev/shm/count || true")).stdout
      .split(" ")
      .map(Number);
    return count !== undefined && largestMs !== undefined ? { count, largestMs } : undefined;
  });
}

/** Processor time of a process, in ticks of 10 ms. */
async function ticksOf({ pid }: ProcessIdentity): Promise<number> {
  const [, fields = ""] = (await readFile(`/proc/${pid}/stat`, "utf8")).split(") ");
  const [user = 0, system = 0] = fields.split(" ").slice(11, 13).map(Number);
  return user + system;
}

/** Digests of the disk layers that capsules share. */
async function layers(): Promise<ReadonlyMap<string, string>> {
  const directory = join(server.dataDirectory, "layers");
  const digests = new Map<string, string>();
  for (const name of await readdir(directory))
    digests.set(
      name,
      createHash("sha256")
        .update(await readFile(join(directory, name)))
        .digest("hex"),
    );
  return digests;
}

test("memory and disk are exact over pauses, whether the machine goes on or starts from disk", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  const memory = await ChangingMemory.start(() => server, id, 7);
  let lines = "";
  for (let round = 0; round < 6; round++) {
    const machine = await parked.park(id);
    const frozen = await layers();
    // Each way follows on each.
    if ([1, 4, 5].includes(round)) {
      await parked.kill(id);
      await parked.resume(id);
    } else await parked.resumeParked(id, machine);
    await memory.check();
    const { stdout } = await server.shell(
      id,
      `cat /root/lines 2>/dev/null; echo ${round} >> /root/lines; sync`,
    );
    assert.equal(stdout, lines);
    lines += `${round}\n`;
    await memory.change();
    const now = await layers();
    for (const [name, digest] of frozen)
      if (now.has(name)) assert.equal(now.get(name), digest, "a frozen layer is never written");
  }
});

test("a parked machine executes nothing, shows in the metrics, and its capsule notices no more than a step of the clock", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  await server.exec(id, "python3", ["-c", counting], { background: true });
  await countOf(id);
  const machine = await parked.park(id);
  assert.equal(await parked.metric("wrenn_parked_machines"), 1);
  const bytes = await parked.metric("wrenn_parked_machines_bytes");
  assert.ok(bytes > 2 ** 20 && bytes < 2 ** 28, `${bytes} bytes`);
  await sleep(500);
  const ticks = await ticksOf(machine);
  await sleep(4000);
  assert.ok((await ticksOf(machine)) - ticks <= 1, "it uses no processor");
  await parked.resumeParked(id, machine);
  await assertClock(server, id, "resumed in a parked machine");
  const { largestMs } = await countOf(id);
  assert.ok(largestMs < 4000, `${largestMs} ms of the pause have passed for the program`);
  assert.equal(await parked.metric("wrenn_parked_machines"), 0);
});

test("open streams stay open and lose nothing", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  const exec = await StreamClient.open(server, `/v1/capsules/${id}/exec/stream`, {
    type: "start",
    cmd: "sh",
    args: ["-c", "i=0; while [ $i -lt 200 ]; do i=$((i+1)); echo line $i; sleep 0.01; done; exit 5"],
  });
  const terminal = await StreamClient.open(server, `/v1/capsules/${id}/pty`, { type: "start", cmd: "bash" });
  await terminal.next("started");
  await exec.next("stdout");
  for (let round = 0; round < 4; round++) {
    const machine = await parked.park(id);
    terminal.type(`echo typed-while-paused-$((${round}+10))\r`);
    if (round === 2) {
      await parked.kill(id);
      await parked.resume(id);
    } else await parked.resumeParked(id, machine);
    await terminal.shows(`typed-while-paused-${round + 10}`);
  }
  assert.equal(await exec.ended(), 1000);
  const expected = Array.from({ length: 200 }, (_, i) => `line ${i + 1}\n`).join("");
  assert.equal(exec.joined("stdout"), expected);
  assert.equal(exec.messages.at(-1)?.["exit_code"], 5);
});

test("a moment that goes on twice, in its machine and from disk, has other randomness each time", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  const numbers = new Set<string>();
  const draw = async (): Promise<void> => {
    const { stdout } = await server.shell(id, "head -c 16 /dev/urandom | sha256sum; cat /etc/machine-id");
    const [number = "", machineId] = stdout.split("\n");
    numbers.add(number);
    numbers.add(`id ${machineId}`);
  };
  const machine = await parked.park(id);
  await parked.resumeParked(id, machine);
  await draw();
  for (let again = 0; again < 2; again++) {
    assert.equal((await verb(id, "checkpoints/g1/restore")).status, 200);
    await draw();
  }
  assert.equal(numbers.size, 4, "three numbers, and one machine id");
});

test("nothing answers at the address of a parked capsule, and its services do after the resume", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  await server.exec(id, "python3", ["-m", "http.server", "8000"], { background: true });
  const { body } = await server.call<{ host_ip: string }>("GET", `/v1/capsules/${id}`);
  const address = body.host_ip;
  await eventually("the service answers", () => answers(address, 8000));
  const machine = await parked.park(id);
  assert.equal(await answers(address, 8000), false);
  await parked.resumeParked(id, machine);
  assert.equal((await server.call<{ host_ip: string }>("GET", `/v1/capsules/${id}`)).body.host_ip, address);
  await eventually("the service answers again", () => answers(address, 8000));
});

test("the oldest parked machine ends when there is one too many, and its capsule resumes from disk", async (t) => {
  const ids: string[] = [];
  for (const name of ["a", "b", "c"]) {
    const id = await server.capsule(t, { memory_mb: 256 });
    await server.shell(id, `echo ${name} > /dev/shm/name`);
    ids.push(id);
  }
  const [first = "", second = "", third = ""] = ids;
  for (const id of ids) await parked.park(id);
  await parked.ended(first);
  assert.equal(await parked.metric("wrenn_parked_machines"), 2);
  for (const id of [first, second, third]) await parked.resume(id);
  const names = await Promise.all(
    ids.map(async (id) => (await server.shell(id, "cat /dev/shm/name")).stdout),
  );
  assert.deepEqual(names, ["a\n", "b\n", "c\n"]);
});

test("memory of a parked capsule is packed all the same, and both ways go on from the same moment", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  const memory = await ChangingMemory.start(() => server, id, 11);
  const packed = (generation: string): Promise<true> =>
    eventually(`${generation} is packed`, async () => {
      const names = await readdir(join(server.capsulesDirectory, id, "generations", generation));
      return names.includes("memory.chunks") && !names.includes("memory.diff");
    });
  const machine = await parked.park(id);
  await packed("g1");
  await parked.resumeParked(id, machine);
  await memory.check();
  await memory.change();
  await parked.park(id);
  await packed("g2");
  await parked.kill(id);
  // Its pages are brought in one by one; the next pause waits for all of them, and parks the machine.
  await parked.resume(id);
  await memory.check();
  await memory.change();
  await parked.resumeParked(id, await parked.park(id));
  await memory.check();
});

test("a fork, a checkpoint, a template and a pause without memory of a capsule whose machine was parked", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  await server.shell(id, "echo kept > /dev/shm/file; echo kept > /root/file");
  const machine = await parked.park(id);
  const snapshot = await server.call("POST", "/v1/snapshots", { sandbox_id: id, name: "of-parked" });
  assert.equal(snapshot.status, 201, JSON.stringify(snapshot.body));
  await parked.resumeParked(id, machine);
  const copy = await server.capsule(t, { template: "of-parked" });
  const forked = await verb<{ id: string }[]>(id, "fork", { count: 1 });
  assert.equal(forked.status, 201, JSON.stringify(forked.body));
  const fork = forked.body[0]?.id ?? "";
  t.after(() => server.call("DELETE", `/v1/capsules/${fork}`));
  for (const one of [copy, fork])
    assert.equal((await server.shell(one, "cat /dev/shm/file /root/file")).stdout, "kept\nkept\n");
  assert.equal((await verb(id, "checkpoints", { name: "later" })).status, 201);
  assert.equal((await verb(id, "pause", { memory: false })).status, 200);
  await parked.ended(id);
  await parked.resume(id);
  assert.equal((await server.shell(id, "cat /root/file; ls /dev/shm")).stdout, "kept\n");
});

test("a parked capsule is booted, taken back and destroyed like any other", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  await server.shell(id, "echo kept > /root/file; sync; echo first > /dev/shm/file");
  const first = await parked.park(id);
  await parked.resumeParked(id, first);
  await server.shell(id, "echo second > /dev/shm/file");
  await parked.park(id);
  assert.equal((await verb(id, "checkpoints/g1/restore")).status, 200);
  assert.notDeepEqual(await parked.of(id), first);
  assert.equal((await server.shell(id, "cat /dev/shm/file")).stdout, "first\n");
  await parked.park(id);
  assert.equal((await verb(id, "resume", { memory: false })).status, 200);
  assert.equal((await server.shell(id, "cat /root/file; ls /dev/shm")).stdout, "kept\n");
  await parked.park(id);
  assert.equal((await server.call("DELETE", `/v1/capsules/${id}`)).status, 204);
  assert.equal(await parked.of(id), undefined);
});

test("a policy that is set while the machine is parked holds from the resume on", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  await parked.park(id);
  const change = await server.call("PATCH", `/v1/capsules/${id}`, { network: { egress: "deny" } });
  assert.equal(change.status, 200, JSON.stringify(change.body));
  await parked.ended(id);
  await parked.resume(id);
  const script = "import socket; s = socket.socket(); s.settimeout(3); s.connect(('1.1.1.1', 80))";
  assert.notEqual((await server.exec(id, "python3", ["-c", script])).body.exit_code, 0);
});

test("a capsule that is paused because it is idle is parked, too, and use lets its machine go on", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256, timeout_sec: 2, auto_resume: true });
  await server.shell(id, "echo kept > /dev/shm/file");
  const machine = await parked.of(id);
  await eventually("it is paused", async () => {
    const { body } = await server.call<{ status: string }>("GET", `/v1/capsules/${id}`);
    return body.status === "paused";
  });
  // Its status shows a moment before.
  await eventually("its machine is parked", async () => (await parked.metric("wrenn_parked_machines")) === 1);
  assert.equal((await server.shell(id, "cat /dev/shm/file")).stdout, "kept\n");
  assert.deepEqual(await parked.of(id), machine);
});

/** Whether a connection to the address is accepted or refused within a second. */
async function answers(host: string, port: number): Promise<boolean> {
  const socket = connect({ host, port });
  try {
    return await new Promise<boolean>((resolve) => {
      socket.once("connect", () => resolve(true));
      socket.once("error", () => resolve(true));
      socket.setTimeout(1000, () => resolve(false));
    });
  } finally {
    socket.destroy();
  }
}
