import assert from "node:assert/strict";
import { readdir, readFile, realpath } from "node:fs/promises";
import { basename, join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { findLeftovers } from "@wrenn/system";
import { assertClock } from "../support/guest-clock.ts";
import { machinesBelow } from "../support/machines-below.ts";
import { ServerProcess } from "../support/server-process.ts";

/* Capsules that begin in a machine which was waiting for them are like any other. */

let server: ServerProcess;
before(async () => {
  process.env["WRENN_WARM_MACHINES"] = "1";
  server = await ServerProcess.start();
});
after(async () => {
  await server.close();
  assert.deepEqual(await machinesBelow(server.dataDirectory), []);
});

const capsules = (): string => join(server.dataDirectory, "capsules");
const verb = <T = unknown>(id: string, name: string, body?: unknown) =>
  server.api.call<T>("POST", `/v1/capsules/${id}/${name}`, body);

/** Names of machines that wait. */
async function waiting(): Promise<readonly string[]> {
  const names = await readdir(capsules());
  const taken = await Promise.all(
    names.map(async (name) => basename(await realpath(join(capsules(), name)))),
  );
  const own = names.filter((name) => name.startsWith("p-"));
  return own.filter((name) => taken.filter((one) => one === name).length === 1);
}

async function oneWaits(): Promise<string> {
  const name = await eventually("a machine waits", async () => {
    const [first] = await waiting();
    const record = await readFile(join(capsules(), first ?? "", "run", "record.json"), "utf8").catch(
      () => "",
    );
    return record === "" ? undefined : first;
  });
  // Restoring takes a moment longer than the record of its process.
  await new Promise((resolve) => setTimeout(resolve, 1000));
  return name;
}

async function pooled(request: Record<string, unknown> = {}): Promise<string> {
  const name = await oneWaits();
  const id = await server.api.capsule(undefined, { memory_mb: 256, ...request });
  assert.equal(basename(await realpath(join(capsules(), id))), name, "it began in the machine that waited");
  return id;
}

test("a capsule of the pool can do what every capsule can, and is like no other", async () => {
  const first = await server.api.capsule(undefined, { memory_mb: 256 });
  const id = await pooled();
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
  assert.deepEqual((await readdir(capsules())).toSorted(), (await waiting()).toSorted());
});

test("the network policy of a capsule holds in a machine of the pool", async () => {
  const id = await pooled({ network: { egress: "deny" } });
  const { body } = await server.api.exec(id, "python3", [
    "-c",
    "import socket; s = socket.socket(); s.settimeout(3); s.connect(('1.1.1.1', 80))",
  ]);
  assert.notEqual(body.exit_code, 0);
  assert.equal((await server.api.call("DELETE", `/v1/capsules/${id}`)).status, 204);
});

test("the server is killed: machines that wait go, capsules that began in one stay", async () => {
  await server.api.capsule(undefined, { memory_mb: 256 });
  const id = await pooled();
  await server.api.shell(id, "echo kept > /dev/shm/file");
  const name = await oneWaits();
  await server.kill();
  await server.start();
  assert.equal((await server.api.shell(id, "cat /dev/shm/file")).stdout, "kept\n");
  assert.ok(!(await waiting()).includes(name));
  const left = await findLeftovers();
  assert.deepEqual(
    left.filter((item) => item.includes(name)),
    [],
  );
  assert.equal((await verb(id, "pause")).status, 200);
  assert.equal((await verb(id, "resume")).status, 200);
  assert.equal((await server.api.shell(id, "cat /dev/shm/file")).stdout, "kept\n");
});
