/* Drawn: tests/integration and packages/host-link/test show its parts. */
import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { chmod, mkdir, mkdtemp, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { silentLogger, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { openDatabase } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import { reservePort } from "@wrenn/system";
import { ApiCaller } from "../support/api-caller.ts";
import { askPort } from "../support/ask-port.ts";
import { HostLab } from "../support/host-lab.ts";
import type { LabHost } from "../support/host-lab.ts";
import { TestProcess } from "../support/test-process.ts";

/* Two control planes and two hosts, each a process, the hosts behind cables of their own; they are cut, killed and restarted. */

const script = (name: string): string[] => [process.execPath, join(import.meta.dirname, "../support", name)];

let root: string;
let database: Database;
const lab = new HostLab("wlab");
const planes: TestProcess[] = [];
const apis: ApiCaller[] = [];
const hosts: { process: TestProcess; cable: LabHost; id: string }[] = [];

before(async () => {
  root = await mkdtemp("/tmp/wrenn-hosts-");
  await chmod(root, 0o711);
  const cacheDirectory = process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn";
  database = await openDatabase(
    { directory: join(root, "db"), cacheDirectory, logger: silentLogger },
    AbortSignal.timeout(60_000),
  );
  const socket = encodeURIComponent(join(root, "db/run"));
  for (const name of ["one", "two"]) {
    const dataDirectory = join(root, name);
    await mkdir(dataDirectory);
    // A control plane keeps its address when it is started again: its hosts know it by it.
    const port = await reservePort(systemRandom);
    const argument = {
      dataDirectory,
      port,
      databaseUrl: `postgres://wrenn-postgres@/postgres?host=${socket}`,
    };
    planes.push(new TestProcess([...script("control-plane.ts"), JSON.stringify(argument)]));
  }
  for (const plane of planes) await begin(plane);
  for (const name of ["a", "b"]) await addHost(name);
});

after(async () => {
  for (const { process: one } of hosts) await one.stop();
  for (const plane of planes) await plane.stop();
  await database.close();
  await lab[Symbol.asyncDispose]();
  await rm(root, { recursive: true, force: true });
});

/** Starts a control plane; the key is the one that the first was given. */
async function begin(plane: TestProcess): Promise<void> {
  const { url, apiKey } = (await plane.start()) as { url: string; apiKey?: string };
  apis[planes.indexOf(plane)] = new ApiCaller(url, apiKey ?? apis[0]?.apiKey ?? "");
}

/** Announces a host, as an administrator does. */
async function announce(): Promise<{ readonly id: string; readonly token: string }> {
  const token = randomUUID();
  const id = randomUUID();
  await database.db.insertInto("hosts").values({ id, type: "regular", status: "pending" }).execute();
  const hash = createHash("sha256").update(token).digest("hex");
  const expires = new Date(Date.now() + 60_000);
  await database.db
    .insertInto("host_tokens")
    .values({ hash, host_id: id, purpose: "registration", expires_at: expires })
    .execute();
  return { id, token };
}

function machine(name: string, cable: LabHost, token: string): TestProcess {
  const argument = {
    dataDirectory: join(root, name),
    host: cable.address,
    port: 8090,
    url: `http://${cable.gateway}:${new URL(api().url).port}`,
    token,
  };
  return new TestProcess([...cable.enter, ...script("joined-host.ts"), JSON.stringify(argument)]);
}

/** Lets a machine of the lab join as a new host. */
async function addHost(name: string): Promise<void> {
  const cable = await lab.host();
  const { id, token } = await announce();
  const one = machine(name, cable, token);
  await one.start();
  hosts.push({ process: one, cable, id });
}

const api = (index = 0): ApiCaller => apis[index] ?? assert.fail("no such control plane");
const host = (index: number): (typeof hosts)[number] => hosts[index] ?? assert.fail("no such host");

async function create(): Promise<string> {
  const { status, body } = await api().call<{ id: string }>("POST", "/v1/capsules", {});
  assert.equal(status, 201, JSON.stringify(body));
  return body.id;
}

async function hostsOnline(): Promise<number> {
  const rows = await database.db.selectFrom("hosts").select("id").where("status", "=", "online").execute();
  return rows.length;
}

async function destroyAll(): Promise<void> {
  const { body } = await api().call<readonly { id: string }[]>("GET", "/v1/capsules");
  for (const { id } of body) assert.equal((await api().call("DELETE", `/v1/capsules/${id}`)).status, 204);
}

async function shell(id: string, command: string, at = 0): Promise<string> {
  const { status, body } = await api(at).call<{ stdout: string }>("POST", `/v1/capsules/${id}/exec`, {
    cmd: "sh",
    args: ["-c", command],
  });
  assert.equal(status, 200, JSON.stringify(body));
  return body.stdout.trim();
}

async function statusOf(id: string, at = 0): Promise<string> {
  return (await api(at).call<{ status: string }>("GET", `/v1/capsules/${id}`)).body.status;
}

/** States are right again within 30 s (the default of `eventually`); until then requests may fail. */
async function recovers(what: string, check: () => Promise<boolean>): Promise<void> {
  await eventually(what, async () => await check().catch(() => false), { intervalMs: 200 });
}

/** One capsule on each host, in the order of the hosts. */
let capsules: string[] = [];

test("capsules are spread over the hosts, and every control plane reaches all of them", async () => {
  let made: string[] = [];
  // Hosts are found one after the other.
  await recovers("each host has a capsule", async () => {
    await destroyAll();
    made = [await create(), await create()];
    const rows = await database.db
      .selectFrom("sandboxes")
      .select("host_id")
      .where("status", "=", "running")
      .execute();
    return new Set(rows.map((row) => row.host_id)).size === 2;
  });
  const first = await database.db
    .selectFrom("sandboxes")
    .select("host_id")
    .where("status", "=", "running")
    .orderBy("created_at")
    .executeTakeFirst();
  capsules = first?.host_id === host(0).id ? made : made.toReversed();
  for (const id of capsules)
    for (const at of [0, 1])
      await recovers("reached", async () => (await shell(id, "echo from $((40 + 2))", at)) === "from 42");
});

test("files, streams and ports of capsules of other machines are as those of this one", async () => {
  const [id = ""] = capsules;
  const content = Buffer.alloc(3_000_000, "wrenn ");
  const url = new URL(`/v1/capsules/${id}/files/content?path=/root/big`, api(1).url);
  const headers = { "x-api-key": api(1).apiKey };
  assert.ok((await fetch(url, { method: "PUT", headers, body: content })).ok);
  assert.ok(Buffer.from(await (await fetch(url, { headers })).arrayBuffer()).equals(content));
  const background = { cmd: "python3", args: ["-m", "http.server", "8000"], background: true };
  await api().call("POST", `/v1/capsules/${id}/exec`, background);
  await recovers("the service answers", async () => {
    const { body } = await askPort(api(1), `8000-${id}.localhost`, "/big");
    return body.equals(content);
  });
  const paused = await api(1).call<{ status: string }>("POST", `/v1/capsules/${id}/pause`);
  assert.equal(paused.body.status, "paused", JSON.stringify(paused.body));
  await api().call("POST", `/v1/capsules/${id}/resume`);
  assert.equal(await shell(id, "wc -c < /root/big", 1), String(content.length));
});

test("a host whose cable is cut: its capsules are missing, the others go on; plugged in, they are as they were", async () => {
  const [here = "", there = ""] = capsules;
  const boot = await shell(there, "cat /proc/sys/kernel/random/boot_id; echo kept > /tmp/kept");
  await host(1).cable.plug(false);
  await recovers("missing", async () => (await statusOf(there)) === "missing");
  assert.equal(await shell(here, "echo on"), "on");
  const refused = await api().call("POST", `/v1/capsules/${there}/exec`, { cmd: "true" });
  assert.equal(refused.status, 503, JSON.stringify(refused.body));
  const placed = await create();
  assert.equal(await shell(placed, "echo placed"), "placed");
  assert.equal((await api().call("DELETE", `/v1/capsules/${placed}`)).status, 204);
  await host(1).cable.plug(true);
  await recovers("running", async () => (await statusOf(there, 1)) === "running");
  assert.equal(await shell(there, "cat /proc/sys/kernel/random/boot_id; cat /tmp/kept", 1), `${boot}\nkept`);
});

test("a host agent that is killed takes its capsules over, and needs no token to come back", async () => {
  const [id = ""] = capsules;
  const boot = await shell(id, "cat /proc/sys/kernel/random/boot_id");
  await host(0).process.kill();
  await host(0).process.start();
  await recovers("answers", async () => (await shell(id, "cat /proc/sys/kernel/random/boot_id")) === boot);
  await recovers("running", async () => (await statusOf(id, 1)) === "running");
});

test("a machine that is given the token of another host refuses to be that host, and keeps its capsules", async () => {
  const [id = ""] = capsules;
  const boot = await shell(id, "cat /proc/sys/kernel/random/boot_id");
  const before_ = await readFile(join(root, "a/joined-host.json"), "utf8");
  const other = await announce();
  await host(0).process.kill();
  await assert.rejects(machine("a", host(0).cable, other.token).start(), /it ended/);
  assert.equal(await readFile(join(root, "a/joined-host.json"), "utf8"), before_);
  const row = await database.db
    .selectFrom("hosts")
    .select("status")
    .where("id", "=", other.id)
    .executeTakeFirstOrThrow();
  assert.equal(row.status, "pending", "its token is still good");
  await host(0).process.start();
  await recovers("answers", async () => (await shell(id, "cat /proc/sys/kernel/random/boot_id")) === boot);
});

test("a control plane that is killed in the middle of a create leaves nothing undecided", async () => {
  const before_ = new Set(
    (await database.db.selectFrom("sandboxes").select("id").execute()).map(({ id }) => id),
  );
  const fresh = async (): Promise<{ status: string } | undefined> =>
    (await database.db.selectFrom("sandboxes").select(["id", "status"]).execute()).find(
      ({ id }) => !before_.has(id),
    );
  // A create takes a moment only: one that was through before the kill is made again, and so is one that found no host.
  for (let tries = 1; ; tries++) {
    const asked = { isOver: false };
    const answered = api()
      .call<{ id: string }>("POST", "/v1/capsules", {})
      .catch(() => undefined)
      .finally(() => (asked.isOver = true));
    await eventually("it is answered or written down", async () => asked.isOver || (await fresh()), {
      intervalMs: 2,
    });
    await planes[0]?.kill();
    if ((await answered) === undefined) break;
    assert.ok(tries < 20, "the kill is always late");
    for (const row of await database.db.selectFrom("sandboxes").select("id").execute()) before_.add(row.id);
    await begin(planes[0] ?? assert.fail());
    await recovers("it takes capsules", async () => (await hostsOnline()) === 2);
  }
  assert.equal(await shell(capsules[0] ?? "", "echo the other goes on", 1), "the other goes on");
  await recovers("decided", async () => /^(running|error)$/.test((await fresh())?.status ?? ""));
  const { rows } = {
    rows: await database.db.selectFrom("operations").selectAll().where("state", "=", "running").execute(),
  };
  assert.deepEqual(rows, []);
  await begin(planes[0] ?? assert.fail());
  await recovers("it is ready", async () => (await api().call("GET", "/ready")).status === 200);
  await destroyAll();
});

test("a host that is deleted learns it, destroys what it has, and ends", async () => {
  // Hosts told the control plane that was away that they are there, so that the other one has not heard of them.
  await recovers("both hosts are there", async () => (await hostsOnline()) === 2);
  let id = "";
  await recovers("it takes capsules", async () => (id = await create()) !== "");
  const row = await database.db
    .selectFrom("sandboxes")
    .select("host_id")
    .where("status", "=", "running")
    .executeTakeFirstOrThrow();
  const index = hosts.findIndex((one) => one.id === row.host_id);
  assert.equal((await api().call("DELETE", `/v1/capsules/${id}`)).status, 204);
  await database.db
    .updateTable("hosts")
    .set({ status: "offline", deleted_at: new Date() })
    .where("id", "=", row.host_id)
    .execute();
  await Promise.race([
    host(index).process.gone(),
    new Promise((_resolve, reject) => setTimeout(() => reject(new Error("it goes on")), 30_000).unref()),
  ]);
  await recovers("the other takes what comes", async () => (await shell(await create(), "echo ok")) === "ok");
});
