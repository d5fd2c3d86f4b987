import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { lstat, mkdtemp, open, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { networkInterfaces } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { runCommand } from "@wrenn/system";
import { projectRoot } from "../support/sources.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/*
 * Somebody has taken over the VMM of a capsule and acts as its user inside its jail, while the server works with the capsule
 * (native/jail/test/hostile-user.c). Its filter of system calls is left out here: the jail has to hold without it.
 */

const program = join(projectRoot, "native/jail/build/hostile-user");
const SECRET = "TOP-SECRET-1795827707";

let server: TestServer;
let secrets = "";
let secret = "";
let id = "";
let machine: { readonly pid: number; readonly uid: number };

before(async () => {
  await runCommand(["make", "-s", "-C", join(projectRoot, "native/jail"), "build/hostile-user"]);
  secrets = await mkdtemp("/tmp/wrenn-secret-");
  secret = join(secrets, "key");
  await writeFile(secret, `${SECRET}\n`, { mode: 0o600 });
  server = await startTestServer();
  id = await server.capsule(undefined);
  machine = await machineOf(id);
});
after(async () => {
  await server.close();
  await rm(secrets, { recursive: true, force: true });
});

const directoryOf = (capsule: string): string => join(server.capsulesDirectory, capsule);

async function machineOf(capsule: string): Promise<{ readonly pid: number; readonly uid: number }> {
  const record = await readFile(join(directoryOf(capsule), "run/record.json"), "utf8");
  const { process, uid } = JSON.parse(record) as { process: { pid: number }; uid: number };
  return { pid: process.pid, uid };
}

interface Attempt {
  readonly kind: string;
  readonly target: string;
  readonly end: string;
}

function parse(output: string): readonly Attempt[] {
  return output
    .trim()
    .split("\n")
    .map((line) => line.split("\t"))
    .map(([kind = "", target = "", end = ""]) => ({ kind, target, end }));
}

/** What the hostile user tried and how it ended. */
async function attempts(...words: readonly string[]): Promise<readonly Attempt[]> {
  const { stdout } = await runCommand([program, String(machine.pid), String(machine.uid), ...words]);
  return parse(stdout);
}

const done = (all: readonly Attempt[]): readonly Attempt[] => all.filter(({ end }) => end === "done");

test("it can create, change and write nothing in all that it sees", async () => {
  const [walked, ...others] = (await attempts("walk")).toReversed();
  assert.deepEqual(walked, { kind: "walk", target: "/", end: "done" }, "it saw everything");
  assert.deepEqual(others, []);
});

test("it reaches no file of the host: keys, databases, other capsules, its own capsule's records", async () => {
  const other = await server.capsule(undefined);
  const files = [
    secret,
    "/etc/shadow",
    "/etc/passwd",
    "/proc/self/status",
    "/proc/1/environ",
    "/sys/kernel/notes",
    "/root/.ssh",
    "/run/docker.sock",
    server.dataDirectory + "/local-client.json",
    ...["run/record.json", "run/console.ring", "run/exit.json", "disk/0.qcow2", "capsule.json"].flatMap(
      (name) => [join(directoryOf(id), name), join(directoryOf(other), name)],
    ),
  ];
  // What is to be refused exists: otherwise its absence would prove nothing.
  await stat(join(directoryOf(other), "run/record.json"));
  const tried = await attempts(...files.flatMap((path) => ["read", path]));
  assert.equal(tried.length, files.length);
  assert.deepEqual(done(tried), []);
});

test("it reaches no socket of the server or of a machine, not even its own, and no process", async () => {
  const other = await machineOf(await server.capsule(undefined));
  const sockets = [];
  for (const capsule of await readdir(server.capsulesDirectory))
    for (const name of ["qmp.sock", "interactive.sock", "bulk.sock"]) {
      const path = join(directoryOf(capsule), "run", name);
      assert.ok((await lstat(path)).isSocket());
      sockets.push(path);
    }
  const processes = [process.pid, other.pid, machine.pid].map(String);
  const tried = await attempts(
    ...sockets.flatMap((path) => ["connect", path]),
    ...processes.flatMap((pid) => ["signal", pid, "trace", pid]),
  );
  assert.equal(tried.length, sockets.length + 2 * processes.length);
  assert.deepEqual(done(tried), []);
});

test("it reaches no address of the host and no service of the server", async (t) => {
  const open = createServer((socket) => socket.destroy());
  t.after(() => open.close());
  await new Promise<void>((resolve) => open.listen(0, "0.0.0.0", resolve));
  const ports = [(open.address() as AddressInfo).port, Number(new URL(server.url).port), 22];
  const addresses = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .filter(({ family }) => family === "IPv4")
    .map(({ address }) => address);
  const targets = ["127.0.0.1", ...addresses, "169.254.169.254"].flatMap((address) =>
    ports.map((port) => ["tcp", address, String(port)]),
  );
  // At once: most of them are never answered.
  const tried = (await Promise.all(targets.map((target) => attempts(...target)))).flat();
  assert.equal(tried.length, targets.length);
  assert.deepEqual(done(tried), []);
});

test("it gains no right, and has the devices of a machine and no other", async () => {
  const tried = await attempts("rights", "devices");
  assert.deepEqual(done(tried.filter(({ kind }) => kind === "rights")), []);
  assert.ok(tried.filter(({ kind }) => kind === "rights").length > 15);
  const devices = tried.filter(({ kind }) => kind === "device").map(({ target }) => target);
  assert.deepEqual(devices.toSorted(), ["/dev/net/tun", "/dev/null", "/dev/urandom", "/dev/zero"]);
});

test("everything in the capsules' directories is root's, and no other user writes there", async () => {
  const seen: string[] = [];
  const walk = async (directory: string): Promise<void> => {
    for (const name of await readdir(directory)) {
      const path = join(directory, name);
      const stats = await lstat(path);
      seen.push(path);
      assert.equal(stats.uid, 0, `${path} belongs to user ${stats.uid}`);
      if (!stats.isSymbolicLink()) assert.equal(stats.mode & 0o022, 0, `${path}: ${stats.mode.toString(8)}`);
      if (stats.isDirectory()) await walk(path);
    }
  };
  for (const name of ["capsules", "layers", "templates", "bases"])
    await walk(join(server.dataDirectory, name));
  assert.ok(seen.length > 10);
});

test("links that it would put in the place of a disk change no owner, no rights and no layer", async () => {
  const disk = join(directoryOf(id), "disk");
  const racing = ["0.qcow2", "1.qcow2", "2.qcow2", "3.qcow2"].map((name) =>
    spawn(program, [String(machine.pid), String(machine.uid), "race", join(disk, name), secret], {
      stdio: ["pipe", "pipe", "inherit"],
    }),
  );
  const ends = Promise.all(racing.map((child) => text(child.stdout)));
  for (let n = 0; n < 3; n++) {
    const { status } = await server.call("POST", `/v1/capsules/${id}/checkpoints`, {});
    assert.equal(status, 201);
  }
  for (const child of racing) child.stdin.end();
  assert.deepEqual(done((await ends).flatMap(parse)), []);
  const { uid, mode } = await stat(secret);
  assert.deepEqual([uid, mode & 0o777], [0, 0o600]);
  const layers = join(server.dataDirectory, "layers");
  const names = await readdir(layers);
  assert.ok(names.length >= 3);
  for (const name of names) {
    const layer = await lstat(join(layers, name));
    assert.ok(layer.isFile());
    assert.deepEqual([layer.uid, layer.mode & 0o777], [0, 0o444]);
  }
});

test("a disk that names a file of the host as the image below it opens none", async () => {
  const capsule = await server.capsule(undefined);
  await server.exec(capsule, "sh", ["-c", "echo kept > /root/kept; sync"]);
  const { body } = await server.call<{ status: string }>("POST", `/v1/capsules/${capsule}/pause`);
  assert.equal(body.status, "paused");
  // QEMU can write this: the header of the disk whose descriptor it has.
  const layers = join(server.dataDirectory, "layers");
  let patched = 0;
  for (const name of await readdir(layers)) {
    const path = join(layers, name);
    const file = await open(path, "r+");
    const header = Buffer.alloc(1024);
    await file.read(header, 0, header.length, 0);
    const backing = Buffer.from(secret.padStart(secret.length, "/"));
    if (header.readUInt32BE(0) === 0x51_46_49_fb) {
      header.writeUInt32BE(backing.length, 16);
      await file.write(header, 0, header.length, 0);
      await file.write(backing, 0, backing.length, Number(header.readBigUInt64BE(8)));
      patched++;
    }
    await file.close();
  }
  assert.ok(patched > 0);
  const resumed = await server.call<{ error?: { message: string } }>(
    "POST",
    `/v1/capsules/${capsule}/resume`,
  );
  assert.ok(resumed.status >= 400, `it was resumed: ${resumed.status}`);
  assert.ok(!JSON.stringify(resumed.body).includes(SECRET));
  for (const name of await readdir("/proc")) {
    if (!/^\d+$/.test(name)) continue;
    const mounts = await readFile(`/proc/${name}/mountinfo`, "utf8").catch(() => "");
    assert.ok(!mounts.includes(secret), `process ${name} has the secret mounted`);
  }
});

test("the last words of a machine are those of its console, wherever links would lead", async () => {
  const capsule = await server.capsule(undefined);
  const trigger =
    "echo last words > /dev/console; echo 1 > /proc/sys/kernel/sysrq; echo o > /proc/sysrq-trigger";
  await server.exec(capsule, "sh", ["-c", `(sleep 0.2; ${trigger}) > /dev/null 2>&1 &`]);
  const describe = async (): Promise<{ status: string; problem?: string }> =>
    (await server.call<{ status: string; problem?: string }>("GET", `/v1/capsules/${capsule}`)).body;
  await eventually("the capsule has ended", async () => (await describe()).status !== "running");
  assert.ok(!JSON.stringify(await describe()).includes(SECRET));
});
