import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { Sandbox, Template } from "e2b";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

const isLong = process.env["WRENN_TEST_LONG"] === "1";
let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server.close());

/** What users set by environment variables: one address for the API and for sandboxes, without names and certificates. */
const options = () => ({
  apiKey: server.apiKey,
  apiUrl: server.url,
  sandboxUrl: server.url,
});

/** Output of a command, by the platform's own API. */
const shell = async (sandboxId: string, command: string): Promise<string> =>
  (await server.shell(`cl-${sandboxId}`, command)).stdout;

test("sandboxes end within two seconds of their time: killed, or paused with their memory", async () => {
  const [killed, paused] = await Promise.all([
    Sandbox.create("minimal", { ...options(), timeoutMs: 4000 }),
    Sandbox.create("minimal", { ...options(), timeoutMs: 4000, lifecycle: { onTimeout: "pause" } }),
  ]);
  const { endAt } = await killed.getInfo();
  await shell(paused.sandboxId, "echo kept > /dev/shm/kept");
  await eventually(
    "the first sandbox is gone",
    async () =>
      !(await Sandbox.list(options()).nextItems()).some((one) => one.sandboxId === killed.sandboxId),
    { intervalMs: 100 },
  );
  assert.ok(Date.now() - endAt.getTime() < 2000, `${Date.now() - endAt.getTime()} ms late`);
  await assert.rejects(killed.getInfo(), { name: "SandboxNotFoundError" });
  await eventually("the second one is paused", async () => (await paused.getInfo()).state === "paused", {
    intervalMs: 100,
  });
  const again = await Sandbox.connect(paused.sandboxId, { ...options(), timeoutMs: 300_000 });
  assert.equal(await shell(again.sandboxId, "cat /dev/shm/kept"), "kept\n");

  // Forks and snapshots continue from a moment of it.
  const [fork] = await again.fork({ count: 1, timeoutMs: 60_000 });
  assert.ok(fork instanceof Sandbox, "the fork is a sandbox");
  assert.equal(await shell(fork.sandboxId, "cat /dev/shm/kept"), "kept\n");
  await fork.kill();
  const { snapshotId } = await again.createSnapshot({ name: "moment" });
  assert.equal((await again.getInfo()).state, "running");
  const restored = await Sandbox.create(snapshotId, { ...options(), timeoutMs: 60_000 });
  assert.equal(await shell(restored.sandboxId, "cat /dev/shm/kept"), "kept\n");
  assert.deepEqual([await restored.kill(), await again.kill()], [true, true]);
  assert.equal(await Sandbox.deleteSnapshot(snapshotId, options()), true);
});

test("a template is built with files, users and directories of the client", { skip: !isLong }, async () => {
  const context = await mkdtemp("/tmp/e2b-context-");
  try {
    await mkdir(join(context, "app/lib"), { recursive: true });
    await writeFile(join(context, "app/lib/code.txt"), "code\n");
    await writeFile(join(context, "one.cfg"), "one\n");
    const template = Template({ fileContextPath: context })
      .fromTemplate("minimal")
      .copy("app", "src/")
      .copy("one.cfg", "/etc/one.conf", { user: "root", mode: 0o600 })
      .copy("*.cfg", "globbed")
      .setEnvs({ MODE: "built in $HOME" })
      .setWorkdir("/srv/work")
      .runCmd('echo "$MODE as $(id -un) in $PWD" > /tmp/seen')
      .runCmd("id -un > /tmp/root", { user: "root" });
    const lines: string[] = [];
    await Template.build(template, "built:v1", {
      ...options(),
      cpuCount: 1,
      memoryMB: 512,
      onBuildLogs: ({ message }) => void lines.push(message),
    });
    const sandbox = await Sandbox.create("built:v1", { ...options(), timeoutMs: 300_000 });
    const seen = await shell(
      sandbox.sandboxId,
      "cat /tmp/seen /tmp/root /home/user/src/lib/code.txt /home/user/globbed/one.cfg; stat -c '%a %U %G' /etc/one.conf /home/user/src/lib/code.txt; sudo -n true && echo may; pwd",
    );
    assert.equal(
      seen,
      "built in /home/user as user in /srv/work\nroot\ncode\none\n600 root root\n644 user user\nmay\n/srv/work\n",
    );
    const failing = Template().fromTemplate("built:v1").runCmd("whoami", { user: "root123" });
    await assert.rejects(Template.build(failing, "failing", options()), {
      // Compared literally by clients.
      message: "failed to run command 'whoami': command failed: unauthenticated: invalid username: 'root123'",
    });
    await sandbox.kill();
  } finally {
    await rm(context, { recursive: true, force: true });
  }
});
