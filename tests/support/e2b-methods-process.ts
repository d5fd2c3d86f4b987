import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { setTimeout } from "node:timers/promises";
import { eventually } from "@wrenn/core/testing";
import type * as current from "e2b";
import { RecordedMethods } from "../../packages/e2b/test/support/recorded-methods.ts";
import { checkGit } from "./e2b-git-methods.ts";

/*
 * Calls every method of sandboxes of a published client, and checks what it returns, with the variables that `wrenn e2b env` prints.
 * Prints the methods that it has not called.
 *
 * `node e2b-methods-process.ts e2b|e2b-2-45`
 */

const { Sandbox, Secret, Volume, CommandExitError, TimeoutError } = (await import(
  process.argv[2] ?? "e2b"
)) as typeof current;
const methods = new RecordedMethods();
const OF_PAGES = new Set(["updatePagination"]);
const OF_STREAMS = new Set(["iterateEvents", "handleEvents", "flushDecoders"]);

methods.watch("Sandbox", Sandbox, new Set(["createSandbox", "connectSandbox", "forkSandbox", "resolveOpts"]));
methods.watch("sandbox", Sandbox.prototype, new Set(["resolveApiOpts", "fileUrl"]));
methods.watch("Volume", Volume, new Set(["resolveOpts"]));
methods.watch("Secret", Secret, new Set(["resolveOpts", "iamToken", "fill"]));
const run = `methods-${process.pid}`;
const sandbox = await Sandbox.create("minimal", { timeoutMs: 300_000, metadata: { run } });
const { commands, files, git, pty } = sandbox;
const prototypeOf = (value: object): object => Object.getPrototypeOf(value) as object;
methods.watch("commands", prototypeOf(commands), new Set(["start"]));
methods.watch("pty", prototypeOf(pty));
methods.watch("files", prototypeOf(files));
methods.watch(
  "git",
  prototypeOf(git),
  new Set([
    "resolveRemoteName",
    "hasUpstream",
    "runGit",
    "runShell",
    "withRemoteCredentials",
    "getRemoteUrl",
  ]),
);
const first = await commands.run("true", { background: true });
methods.watch("handle", prototypeOf(first), OF_STREAMS);
await first.wait();

/** Sandboxes that were made besides, which end with the program. */
const others: current.Sandbox[] = [];
const hasExited =
  (code: number, text?: string) =>
  (error: unknown): boolean =>
    error instanceof CommandExitError &&
    error.exitCode === code &&
    (text === undefined || error.error === text);

async function checkControl(): Promise<void> {
  const { sandboxId } = sandbox;
  assert.equal((await sandbox.getInfo()).metadata["run"], run);
  assert.equal((await Sandbox.getInfo(sandboxId)).sandboxId, sandboxId);
  assert.equal(await sandbox.isRunning(), true);
  assert.equal((await Sandbox.getFullInfo(sandboxId)).state, "running");
  const pages = Sandbox.list({ query: { metadata: { run } } });
  methods.watch("pages", prototypeOf(pages), OF_PAGES);
  assert.deepEqual(
    (await pages.nextItems()).map((one) => one.sandboxId),
    [sandboxId],
  );
  const endsIn = async (): Promise<number> => (await sandbox.getInfo()).endAt.getTime() - Date.now();
  await sandbox.setTimeout(100_000);
  assert.ok((await endsIn()) < 101_000);
  await Sandbox.setTimeout(sandboxId, 200_000);
  assert.ok((await endsIn()) > 101_000);
  assert.equal((await Sandbox.connect(sandboxId, { timeoutMs: 300_000 })).sandboxId, sandboxId);
  assert.equal(await sandbox.connect(), sandbox);
  await sandbox.updateNetwork({ allowOut: ["8.8.8.8"], denyOut: ["0.0.0.0/0"] });
  assert.deepEqual((await sandbox.getInfo()).network?.allowOut, ["8.8.8.8"]);
  await Sandbox.updateNetwork(sandboxId, {});
  assert.deepEqual((await sandbox.getInfo()).network?.allowOut, []);
  assert.match(sandbox.getHost(8000), new RegExp(`^8000-${sandboxId}\\.`));
  assert.equal(sandbox.getMcpUrl(), `https://${sandbox.getHost(50_005)}/mcp`);
  await assert.rejects(sandbox.getMcpToken(), { name: "FileNotFoundError" });
  await eventually("it is measured", async () => (await sandbox.getMetrics()).length > 0, {
    timeoutMs: 40_000,
  });
  const [measured] = await Sandbox.getMetrics(sandboxId);
  assert.ok((measured?.memTotal ?? 0) > 0 && (measured?.diskTotal ?? 0) > 0);
}

async function checkCommands(): Promise<void> {
  const cat = await commands.run("cat", { background: true, stdin: true });
  assert.ok((await commands.list()).some(({ pid }) => pid === cat.pid));
  await commands.sendStdin(cat.pid, "one\n");
  await cat.sendStdin("two\n");
  await eventually("both are echoed", async () => cat.stdout === "one\ntwo\n");
  await cat.disconnect();
  const again = await commands.connect(cat.pid);
  await commands.closeStdin(cat.pid);
  assert.equal((await again.wait()).exitCode, 0);
  const closed = await commands.run("cat; exit 5", { background: true, stdin: true });
  await closed.closeStdin();
  await assert.rejects(closed.wait(), hasExited(5));
  const [one, two] = await Promise.all([
    commands.run("sleep 300", { background: true }),
    commands.run("sleep 300", { background: true }),
  ]);
  assert.deepEqual([await one.kill(), await commands.kill(two.pid)], [true, true]);
  for (const handle of [one, two]) await assert.rejects(handle.wait(), hasExited(-1, "signal: killed"));
  assert.equal(await commands.kill(two.pid), false);
}

async function checkTerminals(): Promise<void> {
  let output = "";
  const onData = (data: Uint8Array): void => void (output += Buffer.from(data).toString());
  const shell = await pty.create({ cols: 80, rows: 24, onData });
  await pty.resize(shell.pid, { cols: 99, rows: 33 });
  await pty.sendInput(shell.pid, Buffer.from("echo si''ze $(stty size)\n"));
  await eventually("the size is shown", async () => output.includes("size 33 99"));
  await shell.disconnect();
  const again = await pty.connect(shell.pid, { onData });
  await pty.sendInput(shell.pid, Buffer.from("echo ag''ain\n"));
  await eventually("the terminal goes on", async () => output.includes("again"));
  assert.equal(await pty.kill(shell.pid), true);
  await assert.rejects(again.wait(), hasExited(-1, "signal: killed"));
}

async function checkFiles(): Promise<void> {
  const seen = new Set<string>();
  assert.equal(await files.makeDir("all"), true);
  const watch = await files.watchDir("all", ({ type, name }) => void seen.add(`${type} ${name}`));
  methods.watch("watch", prototypeOf(watch), OF_STREAMS);
  assert.equal((await files.write("all/one", "1")).path, "/home/user/all/one");
  await files.write([{ path: "all/two", data: "2" }]);
  const many = await files.writeFiles([{ path: "all/three", data: "3" }]);
  assert.deepEqual(
    many.map(({ name }) => name),
    ["three"],
  );
  const names = (await files.list("all")).map(({ name }) => name);
  assert.deepEqual(names.toSorted(), ["one", "three", "two"]);
  assert.equal((await files.rename("all/two", "all/2")).name, "2");
  assert.equal(await files.read("all/2"), "2");
  assert.equal((await files.getInfo("all/one")).size, 1);
  await files.remove("all/one");
  assert.equal(await files.exists("all/one"), false);
  await eventually("the changes are seen", async () => seen.has("remove one") && seen.has("rename two"));
  await watch.stop();
  const link = await sandbox.downloadUrl("all/three");
  assert.equal(await (await fetch(link)).text(), "3");
  const form = new FormData();
  form.append("file", new Blob(["up"]));
  const uploaded = await fetch(await sandbox.uploadUrl("all/up"), { method: "POST", body: form });
  assert.deepEqual([uploaded.status, await files.read("all/up")], [200, "up"]);
}

async function checkStates(): Promise<void> {
  const kept = createHash("sha256").update(run).digest("hex");
  await commands.run(`echo ${kept} > /dev/shm/kept`);
  const options = { count: 1, timeoutMs: 300_000 };
  const forks = [...(await sandbox.fork(options)), ...(await Sandbox.fork(sandbox.sandboxId, options))];
  for (const fork of forks) {
    assert.ok(fork instanceof Sandbox);
    others.push(fork);
    assert.equal((await fork.commands.run("cat /dev/shm/kept")).stdout, `${kept}\n`);
  }
  const { snapshotId } = await sandbox.createSnapshot();
  const second = await Sandbox.createSnapshot(sandbox.sandboxId, { name: run });
  const listed = sandbox.listSnapshots();
  methods.watch("snapshots", prototypeOf(listed), OF_PAGES);
  const ids = (await listed.nextItems()).map((one) => one.snapshotId);
  assert.deepEqual(ids.toSorted(), [snapshotId, second.snapshotId].toSorted());
  const named = Sandbox.listSnapshots({ name: run });
  assert.deepEqual(
    (await named.nextItems()).map((one) => one.snapshotId),
    [second.snapshotId],
  );
  for (const id of ids) assert.equal(await Sandbox.deleteSnapshot(id), true);
  for (const pause of [
    async () => await sandbox.pause(),
    async () => await Sandbox.pause(sandbox.sandboxId),
    async () => await sandbox.betaPause(),
    async () => await Sandbox.betaPause(sandbox.sandboxId),
  ]) {
    await pause();
    assert.equal(await sandbox.isRunning(), false);
    await sandbox.connect();
  }
  assert.equal((await commands.run("cat /dev/shm/kept")).stdout, `${kept}\n`);
}

/** Each answers with the name of what is not offered. */
async function checkRefusals(): Promise<void> {
  const calls: readonly (() => Promise<unknown>)[] = [
    async () => await Volume.create("data"),
    async () => await Volume.connect("data"),
    async () => await Volume.getInfo("data"),
    async () => await Volume.list(),
    async () => await Volume.destroy("data"),
    async () => await Secret.create("word", { value: "x" } as never),
    async () => await Secret.update("word", { value: "x" } as never),
    async () => await Secret.getInfo("word"),
    async () => await Secret.exists("word"),
    async () => await Secret.destroy("word"),
    async () => await Secret.list().nextItems(),
  ];
  for (const call of calls) await assert.rejects(call(), /not offered/, call.toString());
}

/** Streams of a sandbox that is killed break: the client looks for the text of a connection that was cut. */
async function checkEnd(): Promise<void> {
  const running = await commands.run("sleep 300", { background: true });
  const ended = running.wait().catch((error: unknown) => error);
  assert.equal(await sandbox.kill(), true);
  const error = await ended;
  assert.ok(error instanceof TimeoutError, String(error));
  assert.match(error.message, /killed or reached its end of life/);
  assert.equal(await sandbox.isRunning(), false);
}

try {
  await checkControl();
  await checkCommands();
  await checkTerminals();
  await checkFiles();
  await checkGit(git, files);
  await checkStates();
  await checkRefusals();
  const [last] = others;
  assert.equal(await last?.kill(), true);
  assert.equal(await Sandbox.kill(last?.sandboxId ?? ""), false);
  await checkEnd();
} finally {
  for (const one of [...others, sandbox]) await one.kill();
}
process.stdout.write(JSON.stringify(methods.uncalled));
// Connections that are kept would keep the process.
await setTimeout(0);
process.exit(0);
