import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { CommandExitError, NotEnoughSpaceError, Sandbox, TimeoutError } from "e2b";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* The published client, unmodified, over plain HTTP: the agent that it talks to is the server's facade. */

const LONG = process.env["WRENN_TEST_LONG"] === "1";
let server: TestServer;
let sandbox: Sandbox;
const options = () => ({
  apiKey: server.server.apiKey,
  apiUrl: server.server.url,
  sandboxUrl: server.server.url,
});

before(async () => {
  server = await startTestServer();
  sandbox = await Sandbox.create("minimal", {
    ...options(),
    envs: { GLOBAL: "everywhere" },
    timeoutMs: 600_000,
  });
});
after(() => server.close());

test("commands run as the usual user, with the environment of the sandbox and their own", async () => {
  const script = "id -un; id -gn; pwd; echo $HOME $USER $LOGNAME $SHELL; echo $GLOBAL $OWN $E2B_SANDBOX_ID";
  const { stdout, stderr } = await sandbox.commands.run(script, { envs: { OWN: "once" } });
  assert.equal(stderr, "");
  assert.equal(
    stdout,
    `user\nuser\n/home/user\n/home/user user user /bin/bash\neverywhere once ${sandbox.sandboxId}\n`,
  );
  assert.equal((await sandbox.commands.run("true")).stderr, "");
  assert.equal((await sandbox.commands.run("id -un; echo $HOME", { user: "root" })).stdout, "root\n/root\n");
  // A variable of one command does not pass sudo.
  assert.equal(
    (await sandbox.commands.run("sudo printenv OWN || echo none", { envs: { OWN: "x" } })).stdout,
    "none\n",
  );
});

test("the pid is the one in the guest, and the end of a signalled process is told as the client expects", async () => {
  const handle = await sandbox.commands.run("sleep 300", { background: true });
  assert.equal((await sandbox.commands.run(`kill -0 ${handle.pid} && echo there`)).stdout, "there\n");
  assert.equal(await handle.kill(), true);
  await assert.rejects(
    handle.wait(),
    (error: unknown) =>
      error instanceof CommandExitError && error.exitCode === -1 && error.error === "signal: killed",
  );
  await assert.rejects(sandbox.commands.run("sleep 300", { timeoutMs: 1000 }), TimeoutError);
  await eventually(
    "no sleep is left",
    async () => (await sandbox.commands.run("pgrep sleep || true")).stdout === "",
  );
});

test("files keep their bytes, owner and metadata", async () => {
  const bytes = randomBytes(LONG ? 1 << 26 : 1 << 22);
  const info = await sandbox.files.write("deep/er/data.bin", new Blob([bytes]), {
    metadata: { kind: "random" },
  });
  assert.deepEqual(info, {
    path: "/home/user/deep/er/data.bin",
    name: "data.bin",
    type: "file",
    metadata: { kind: "random" },
  });
  const sum = await sandbox.commands.run(
    "sha256sum deep/er/data.bin; stat -c '%U %G %a' deep/er deep/er/data.bin",
  );
  const expected = createHash("sha256").update(bytes).digest("hex");
  assert.equal(sum.stdout, `${expected}  deep/er/data.bin\nuser user 755\nuser user 644\n`);
  assert.deepEqual(Buffer.from(await sandbox.files.read("deep/er/data.bin", { format: "bytes" })), bytes);
  const entry = await sandbox.files.getInfo("deep/er/data.bin");
  assert.deepEqual([entry.owner, entry.size, entry.metadata], ["user", bytes.length, { kind: "random" }]);
});

test("uploads to a file system without room for bytes or files are refused as such", async () => {
  const asRoot = { user: "root" };
  const mount = "mkdir -p /full/bytes /full/files && mount -t tmpfs";
  await sandbox.commands.run(`${mount} -o size=64k none /full/bytes`, asRoot);
  await sandbox.commands.run(`${mount} -o nr_inodes=2 none /full/files`, asRoot);
  const large = new Blob([new Uint8Array(1 << 20)]);
  await assert.rejects(sandbox.files.write("/full/bytes/large", large, asRoot), NotEnoughSpaceError);
  await assert.rejects(sandbox.files.write("/full/files/a/b", "small", asRoot), NotEnoughSpaceError);
  assert.equal((await sandbox.commands.run("ls -A /full/bytes", asRoot)).stdout, "");
  await sandbox.files.write("/full/bytes/small", "small", asRoot);
});

test("a terminal and a watched directory work", async () => {
  let output = "";
  const pty = await sandbox.pty.create({
    cols: 90,
    rows: 20,
    onData: (data) => {
      output += Buffer.from(data).toString();
    },
  });
  await sandbox.pty.resize(pty.pid, { cols: 101, rows: 33 });
  const seen = new Set<string>();
  await sandbox.files.makeDir("watched");
  const watch = await sandbox.files.watchDir(
    "watched",
    ({ type, name }) => void seen.add(`${type} ${name}`),
    {
      recursive: true,
      includeEntry: true,
    },
  );
  await sandbox.pty.sendInput(
    pty.pid,
    Buffer.from("mkdir -p watched/a; stty size; touch watched/a/b; exit 4\n"),
  );
  await assert.rejects(
    pty.wait(),
    (error: unknown) => error instanceof CommandExitError && error.exitCode === 4,
  );
  assert.match(output, /33 101/);
  await eventually("the file is seen", async () => seen.has("create a/b"));
  await watch.stop();
});

test("addresses that the client signs name no sandbox, and find theirs", async () => {
  await sandbox.files.write("signed.txt", "by address");
  const download = await sandbox.downloadUrl("signed.txt");
  assert.equal(await (await fetch(download)).text(), "by address");
  assert.equal((await fetch(download.replace("signature=v1_", "signature=v1_x"))).status, 401);
});

test("a pause keeps processes and streams, and requests answer 502 until the sandbox is resumed", async () => {
  const handle = await sandbox.commands.run("sleep 2; echo after", { background: true });
  await sandbox.pause();
  assert.equal(await sandbox.isRunning(), false);
  await Sandbox.connect(sandbox.sandboxId, { ...options(), timeoutMs: 600_000 });
  assert.equal(await sandbox.isRunning(), true);
  const again = await sandbox.commands.connect(handle.pid);
  assert.equal((await again.wait()).exitCode, 0);
  // The stream from before the pause goes on too.
  assert.equal((await handle.wait()).stdout, "after\n");
});

test("many requests to a paused sandbox with auto-resume resume it once, those with the token only", async () => {
  const auto = await Sandbox.create("minimal", {
    ...options(),
    timeoutMs: 600_000,
    lifecycle: { onTimeout: "pause", autoResume: true },
  });
  await auto.files.write("kept.txt", "kept");
  await auto.pause();
  const stranger = new Sandbox({ ...options(), sandboxId: auto.sandboxId, envdVersion: "0.6.13" });
  await assert.rejects(stranger.files.read("kept.txt"));
  assert.equal((await Sandbox.getInfo(auto.sandboxId, options())).state, "paused");
  const texts = await Promise.all(Array.from({ length: 10 }, () => auto.files.read("kept.txt")));
  assert.deepEqual(new Set(texts), new Set(["kept"]));
  const { body } = await server.call<{ event: string; data: { status?: string; previous?: string } }[]>(
    "GET",
    `/v1/events/history?capsule=cl-${auto.sandboxId}`,
  );
  const resumes = body.filter(({ data }) => data.status === "running" && data.previous === "paused");
  assert.equal(resumes.length, 1, JSON.stringify(body.map(({ event, data }) => [event, data])));
  await auto.kill();
});

test("the environment of the sandbox and its measurements are read as from its agent", async () => {
  const ask = async (path: string): Promise<Record<string, unknown>> => {
    const response = await fetch(server.server.url + path, {
      headers: {
        "E2b-Sandbox-Id": sandbox.sandboxId,
        "E2b-Sandbox-Port": "49983",
        "X-Access-Token": String(Reflect.get(sandbox, "envdAccessToken")),
      },
    });
    assert.equal(response.status, 200);
    return (await response.json()) as Record<string, unknown>;
  };
  assert.deepEqual(await ask("/envs"), {
    GLOBAL: "everywhere",
    E2B_SANDBOX: "true",
    E2B_SANDBOX_ID: sandbox.sandboxId,
    E2B_TEMPLATE_ID: "minimal",
    E2B_EVENTS_ADDRESS: "http://169.254.0.22",
  });
  const { stdout } = await sandbox.commands.run(
    "cat /run/e2b/.E2B_SANDBOX_ID; curl -s $E2B_EVENTS_ADDRESS/me http://events.e2b.local/me -H 'E2b-Sandbox-Id: other'",
  );
  assert.equal(stdout, sandbox.sandboxId + `{"sandboxID":"${sandbox.sandboxId}"}`.repeat(2));
  const metrics = await ask("/metrics");
  assert.ok(Number(metrics["mem_total"]) > 0 && Number(metrics["disk_total"]) > 0, JSON.stringify(metrics));
});

test("100 commands run at a time", { skip: !LONG }, async () => {
  const outputs = await Promise.all(
    Array.from(
      { length: 100 },
      async (_, index) => (await sandbox.commands.run(`echo ${index}`, { timeoutMs: 0 })).stdout,
    ),
  );
  assert.deepEqual(
    outputs,
    outputs.map((_, index) => `${index}\n`),
  );
});

test("a sandbox that is killed breaks its streams, and the client says so", async () => {
  const running = sandbox.commands.run("sleep 300");
  running.catch(() => undefined);
  await eventually("it runs", async () => (await sandbox.commands.list()).length > 0);
  await sandbox.kill();
  await assert.rejects(
    running,
    (error: unknown) =>
      error instanceof TimeoutError && /killed or reached its end of life/.test(error.message),
  );
  assert.equal(await sandbox.isRunning(), false);
});
