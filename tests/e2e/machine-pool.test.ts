import assert from "node:assert/strict";
import { readdir, readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { findLeftovers } from "@wrenn/system";
import { assertClock } from "../support/guest-clock.ts";
import { machinesBelow } from "../support/machines-below.ts";
import { ServerProcess } from "../support/server-process.ts";
import { WaitingMachines } from "../support/waiting-machines.ts";

/* Alone: it lists what is left on the whole machine. */

/* Capsules that begin in a machine which was waiting for them are like any other. */

let server: ServerProcess;
let machines: WaitingMachines;
before(async () => {
  process.env["WRENN_WARM_MACHINES"] = "1";
  server = await ServerProcess.start();
  machines = new WaitingMachines(server);
});
after(async () => {
  await server.close();
  assert.deepEqual(await machinesBelow(server.dataDirectory), []);
});

const verb = <T = unknown>(id: string, name: string, body?: unknown) =>
  server.api.call<T>("POST", `/v1/capsules/${id}/${name}`, body);

test("a capsule of the pool can do what every capsule can, and is like no other", async () => {
  const first = await server.api.capsule(undefined, { memory_mb: 256 });
  const id = await machines.take();
  await assertClock(server.api, id, "begun in a waiting machine");
  const facts = "cat /etc/machine-id; hostname; head -c 16 /dev/urandom | sha256sum";
  const [one, other] = [await server.api.shell(first, facts), await server.api.shell(id, facts)];
  const shared = one.stdout
    .split("\n")
    .filter((line) => line !== "" && other.stdout.split("\n").includes(line));
  assert.deepEqual(shared, []);
  const { stdout } = await server.api.shell(id, "date +%s");
  assert.ok(Math.abs(Number(stdout) - Date.now() / 1000) < 5, "its clock is right");

  await server.api.shell(id, "echo kept > /root/file; echo kept > /dev/shm/file");
  const kept = async (capsule: string): Promise<void> => {
    const { stdout } = await server.api.shell(capsule, "cat /root/file /dev/shm/file");
    assert.equal(stdout, "kept\nkept\n");
  };
  assert.equal((await verb(id, "checkpoints", {})).status, 201);
  assert.equal((await verb(id, "pause")).status, 200);
  assert.equal((await verb(id, "resume")).status, 200);
  await kept(id);
  const forked = await verb<{ id: string }[]>(id, "fork", { count: 1 });
  assert.equal(forked.status, 201, JSON.stringify(forked.body));
  assert.equal((await verb(id, "checkpoints/g1/restore")).status, 200);
  await kept(id);
  const listed = await server.api.call<{ id: string }[]>("GET", "/v1/capsules");
  for (const capsule of listed.body)
    assert.equal((await server.api.call("DELETE", `/v1/capsules/${capsule.id}`)).status, 204);
  assert.deepEqual(
    (await readdir(machines.capsulesDirectory)).toSorted(),
    (await machines.names()).toSorted(),
  );
});

test("a machine that waits has the smallest share of the processor and shows its memory; its capsule has the share of all others", async () => {
  await server.api.capsule(undefined, { memory_mb: 256 });
  const name = await machines.one();
  const share = await machines.share(name);
  assert.equal(share.value, share.path.endsWith("weight") ? "1" : "2");
  const bytes = await machines.metric("wrenn_waiting_machines_bytes");
  assert.ok(bytes > 2 ** 20 && bytes < 256 * 2 ** 20, `${bytes} bytes`);
  const id = await machines.take();
  const ordinary = await readFile(share.path, "utf8");
  assert.equal(ordinary.trim(), share.path.endsWith("weight") ? "100" : "1024");
  assert.equal((await server.api.call("DELETE", `/v1/capsules/${id}`)).status, 204);
});

test("the network policy of a capsule holds in a machine of the pool", async () => {
  const id = await machines.take({ network: { egress: "deny" } });
  const { body } = await server.api.exec(id, "python3", [
    "-c",
    "import socket; s = socket.socket(); s.settimeout(3); s.connect(('1.1.1.1', 80))",
  ]);
  assert.notEqual(body.exit_code, 0);
  assert.equal((await server.api.call("DELETE", `/v1/capsules/${id}`)).status, 204);
});

test("the server is killed: machines that wait go, capsules that began in one stay", async () => {
  await server.api.capsule(undefined, { memory_mb: 256 });
  const id = await machines.take();
  await server.api.shell(id, "echo kept > /dev/shm/file");
  const name = await machines.one();
  await server.kill();
  await server.start();
  for (let pid = 1; pid < 200; pid++) {
    const { status } = await server.api.call("GET", `/v1/capsules/${id}/processes/${pid}`);
    assert.equal(status, 404, `the guest remembers process ${pid} of the warm-up`);
  }
  assert.equal((await server.api.shell(id, "cat /dev/shm/file")).stdout, "kept\n");
  assert.ok(!(await machines.names()).includes(name));
  const left = await findLeftovers();
  assert.deepEqual(
    left.filter((item) => item.includes(name)),
    [],
  );
  assert.equal((await verb(id, "pause")).status, 200);
  assert.equal((await verb(id, "resume")).status, 200);
  assert.equal((await server.api.shell(id, "cat /dev/shm/file")).stdout, "kept\n");
});
