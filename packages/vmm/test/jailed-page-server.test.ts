import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chown, mkdtemp, readdir, readFile, readlink, rm, stat, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { after, before, test } from "node:test";
import { fileURLToPath } from "node:url";
import { eventually } from "@wrenn/core/testing";
import { exists, isAlive, runCommand } from "@wrenn/system";
import type { ProcessIdentity } from "@wrenn/system";
import { endMachine, listMachines, listPageServers, startJailedPageServer } from "@wrenn/vmm";
import type { JailedPageServer, PageServerSpec } from "@wrenn/vmm";
import { statusOf } from "./support/jailed-perl.ts";

/* The page server of a machine runs in a jail of its own, and never without the process that started it. */

const native = fileURLToPath(new URL("../../../native", import.meta.url));
const programs = {
  jail: join(native, "jail/build/wrenn-jail"),
  pageServer: join(native, "page-server/build/wrenn-page-server"),
};
const signal = AbortSignal.timeout(2 * 60_000);
const users = { machineUid: 199_501, serverUid: 265_101 };
let home = "";
let file = "";
let count = 0;
const started: JailedPageServer[] = [];

before(async () => {
  for (const part of ["jail", "page-server"])
    await runCommand(["make", "-s", "-C", join(native, part), "all"]);
  home = await mkdtemp("/tmp/wp-");
  file = join(home, "memory");
  await writeFile(file, Buffer.alloc(4096), { mode: 0o600 });
});
after(async () => {
  for (const server of started) await server.end();
  await rm(home, { recursive: true, force: true });
});

const specOf = (change: Partial<PageServerSpec> = {}): PageServerSpec => {
  count += 1;
  return { files: [file], socket: join(home, String(count), "m.sock"), memoryMib: 64, ...users, ...change };
};

async function start(change: Partial<PageServerSpec> = {}): Promise<JailedPageServer & PageServerSpec> {
  const spec = specOf(change);
  const server = await startJailedPageServer(programs, spec, signal);
  started.push(server);
  return { ...spec, ...server };
}

const isGone = (server: ProcessIdentity) =>
  eventually(`process ${server.pid} is gone`, async () => !(await isAlive(server)));

test("it has a user of its own, no right, no file but those it was given, no network and limits of its own", async () => {
  const running = await start();
  const { process: server } = running;
  const { pid } = server;
  const supervisor = Number((await statusOf(pid))["PPid"]);
  for (const one of [pid, supervisor]) {
    const status = await statusOf(one);
    assert.match(status["Uid"] ?? "", /^265101\s265101\s265101\s265101$/);
    assert.match(status["Gid"] ?? "", /^265101\s265101\s265101\s265101$/);
    assert.equal(status["Groups"], "");
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
      assert.match(status[set] ?? "", /^0+$/);
    assert.equal(status["NoNewPrivs"], "1");
  }
  assert.equal((await statusOf(pid))["Seccomp"], "2");
  const [, first] = programs.pageServer.split("/");
  assert.deepEqual(new Set(await readdir(`/proc/${pid}/root`)), new Set(["dev", first]));
  assert.deepEqual(await readdir(`/proc/${pid}/root/dev`), ["null"]);
  assert.deepEqual(await readdir(`/proc/${pid}/root${dirname(programs.pageServer)}`), ["wrenn-page-server"]);
  const links = (await readFile(`/proc/${pid}/net/dev`, "utf8")).trim().split("\n").slice(2);
  assert.deepEqual(
    links.map((line) => line.trim().split(":")[0]),
    ["lo"],
  );
  for (const kind of ["mnt", "pid", "ipc", "uts", "net"])
    assert.notEqual(await readlink(`/proc/${pid}/ns/${kind}`), await readlink(`/proc/self/ns/${kind}`));
  const open = await readdir(`/proc/${pid}/fd`);
  const opened = await Promise.all(open.map((fd) => readlink(`/proc/${pid}/fd/${fd}`)));
  assert.deepEqual(
    opened.map((target) => target.replace(/:.*/, "")).toSorted(),
    [file, "/dev/null", "pipe", "pipe", "socket", "socket"].toSorted(),
  );
  const flags = await readFile(`/proc/${pid}/fdinfo/${open[opened.indexOf(file)]}`, "utf8");
  assert.equal(
    Number.parseInt(/flags:\s*(\d+)/.exec(flags)?.[1] ?? "", 8) & 3,
    0,
    "it cannot write the file",
  );
  const limits = await readFile(`/proc/${pid}/limits`, "utf8");
  const limitOf = (name: string): number =>
    Number(new RegExp(`^${name} +(\\d+) +(\\d+)`, "m").exec(limits)?.[2]);
  assert.equal(limitOf("Max address space"), 66 * 2 ** 20);
  assert.equal(limitOf("Max processes"), 0);
  assert.equal(limitOf("Max open files"), 64);
  assert.equal(limitOf("Max cpu time"), 600);
  assert.equal(limitOf("Max file size"), 0);
  assert.equal(limitOf("Max core file size"), 0);
  await running.end();
});

test("only its machine's user and root reach its sockets, and it has one owner", async () => {
  const running = await start();
  const { socket, connection } = running;
  const { mode, uid, gid } = await stat(socket);
  assert.deepEqual([mode & 0o777, uid, gid], [0o600, users.machineUid, users.machineUid]);
  assert.equal((await stat(dirname(socket))).mode & 0o777, 0o700);
  const second = connect(join(dirname(socket), "owner.sock")).resume();
  second.on("error", () => {});
  await new Promise((done) => second.once("close", done));
  assert.ok(!connection.destroyed);
  await running.end();
});

test("it is no machine, and ends with its connection or when it is told; nothing is left", async () => {
  const ended = await start();
  const { process: server, socket } = ended;
  const supervisor = Number((await statusOf(server.pid))["PPid"]);
  const listed = (await listPageServers()).find(({ directory }) => directory === dirname(socket));
  assert.deepEqual([listed?.supervisor.pid, listed?.hasOwner], [supervisor, true]);
  assert.ok((await listMachines()).every(({ directory }) => directory !== dirname(socket)));
  ended.connection.destroy();
  await isGone(server);
  await ended.end();
  const told = await start();
  process.kill(told.process.pid, "SIGSTOP");
  await told.end();
  await told.end();
  assert.ok(!(await isAlive(told.process)));
  assert.deepEqual((await readdir(home)).toSorted(), ["memory", ...(await otherHomes())].toSorted());
});

async function otherHomes(): Promise<readonly string[]> {
  const running = new Set((await listPageServers()).map(({ directory }) => directory));
  return (await readdir(home)).filter((name) => running.has(join(home, name)));
}

test("a leftover at the same place is ended, whatever it does", async () => {
  const first = await start();
  process.kill(first.process.pid, "SIGSTOP");
  const second = await start({ socket: first.socket });
  assert.ok(!(await isAlive(first.process)));
  assert.ok(await isAlive(second.process));
  await second.end();
});

test("it ends with the process that started it; one that does not is found by the sweep", async () => {
  const owned = async (): Promise<ProcessIdentity & { readonly kill: () => void; readonly at: string }> => {
    const at = dirname(specOf().socket);
    const owner = fileURLToPath(new URL("support/page-server-owner-process.ts", import.meta.url));
    const args = [owner, programs.jail, programs.pageServer, join(at, "m.sock")];
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(createInterface(child.stdout), "line")) as [string];
    return { ...(JSON.parse(line) as ProcessIdentity), at, kill: () => child.kill("SIGKILL") };
  };
  const quick = await owned();
  quick.kill();
  await isGone(quick);
  const stuck = await owned();
  process.kill(stuck.pid, "SIGSTOP");
  stuck.kill();
  const orphan = await eventually("the sweep finds it", async () =>
    (await listPageServers()).find(({ directory, hasOwner }) => directory === stuck.at && !hasOwner),
  );
  assert.ok(await isAlive(stuck));
  await endMachine(orphan);
  await isGone(stuck);
});

test("a file that an earlier version left to another user becomes root's", async () => {
  await chown(file, 199_999, 199_999);
  const running = await start();
  const { uid, mode } = await stat(file);
  assert.deepEqual([uid, mode & 0o777], [0, 0o444]);
  await running.end();
});

test("what cannot be started leaves nothing", async () => {
  const absent = specOf({ files: [join(home, "absent")] });
  await assert.rejects(startJailedPageServer(programs, absent, signal), { code: "ENOENT" });
  const directory = specOf({ files: [home] });
  await assert.rejects(startJailedPageServer(programs, directory, signal), {
    reason: "machine_start_failed",
  });
  const root = specOf({ serverUid: 0 });
  await assert.rejects(startJailedPageServer(programs, root, signal), { message: /wrong arguments/ });
  const aborted = specOf();
  await assert.rejects(startJailedPageServer(programs, aborted, AbortSignal.abort()));
  for (const { socket } of [absent, directory, root, aborted]) assert.ok(!(await exists(dirname(socket))));
});
