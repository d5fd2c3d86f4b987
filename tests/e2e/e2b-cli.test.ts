/* Drawn: packages/e2b/test shows the same routes, and tests/e2e/e2b-agent.test.ts the agent. */
import assert from "node:assert/strict";
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { buildImage, dir, file, RegistryServer } from "@wrenn/oci/testing";
import type { CommandResult } from "@wrenn/system";
import { busyboxImage } from "../support/busybox-image.ts";
import { E2bMachine, reaches } from "../support/e2b-machine.ts";
import type { ClientRun, Reach } from "../support/e2b-machine.ts";
import type { PtySession } from "../support/pty-session.ts";
import { installPublishedClients } from "../support/published-clients.ts";

/*
 * E2B's command line 2.19.0, the published program, against real microVMs. It has a copy of the client in it that uses the earlier
 * routes. Its logins are in e2b-login.test.ts.
 */

const isLong = process.env["WRENN_TEST_LONG"] === "1";
let machine: E2bMachine;
let registry: RegistryServer;
let program: string;
const release = new AsyncDisposableStack();
before(async () => {
  ({ cli: program } = await installPublishedClients());
  registry = release.use(await RegistryServer.start());
  machine = release.use(
    await E2bMachine.start({ registries: { mirrors: {}, plainHttp: [], privateHosts: registry.hosts } }),
  );
});
after(() => release.disposeAsync());

for (const reach of reaches)
  describe(`E2B's command line, by ${reach}`, () => {
    const run = runner(reach);
    /** What shows nothing more by a second address is in the long run only. */
    const isShort = !isLong && reach !== "plain HTTP";
    let id: string;
    before(async () => {
      id = (await succeed(run(["sandbox", "create", "-d", "minimal", "--timeout", "600"]))).trim();
    });

    test("sandboxes are listed and described", { skip: isShort }, async () => {
      const listed = await printed<{ sandboxId: string; state: string }[]>(
        run(["sandbox", "list", "-f", "json"]),
      );
      assert.equal(listed.find(({ sandboxId }) => sandboxId === id)?.state, "running");
      assert.match(await succeed(run(["sandbox", "list"])), new RegExp(`${id} +minimal`));
      const info = await printed<Record<string, unknown>>(run(["sandbox", "info", id, "-f", "json"]));
      assert.deepEqual([info["templateId"], info["cpuCount"], info["memoryMB"]], ["minimal", 1, 512]);
      assert.match(await succeed(run(["sandbox", "info", id])), /State: running/);
    });

    test("a command has output, input, user, directory, variables and an exit code", async () => {
      const script = "id -un; pwd; echo $MODE; cat; echo problem >&2; exit 3";
      const args = ["-u", "root", "-c", "/tmp", "-e", "MODE=once", id, "sh", "-c", script];
      assert.deepEqual(await run(["sandbox", "exec", ...args], { input: "from here\n" }), {
        code: 3,
        stdout: "root\n/tmp\nonce\nfrom here\n",
        stderr: "problem\nexit status 3\n",
      });
    });

    test("a command in the background runs on", { skip: isShort }, async () => {
      const { stderr } = await run(["sandbox", "exec", "-b", id, "sleep", "321"]);
      assert.match(stderr, /^\d+$/m);
      assert.match(await succeed(run(["sandbox", "exec", id, "pgrep", "-a", "sleep"])), /sleep 321/);
    });

    test("a terminal is typed into and left, with the size of the user's own", async () => {
      await using terminal = openTerminal(reach, ["sandbox", "connect", id]);
      await terminal.shows(/\$ /, 60_000);
      terminal.resize(103, 31);
      // The client sends sizes and what is typed on ways of their own.
      terminal.type("until [ \"$(stty size)\" = '31 103' ]; do sleep 0.1; done; echo si''ze $(stty size)\r");
      await terminal.shows("size 31 103");
      terminal.type("exit\r");
      const { code, isSane } = await terminal.ended;
      assert.deepEqual([code, isSane], [0, true], terminal.output);
    });

    test("a terminal whose shell is killed has ended, by the exit code -1 and the text that clients compare", async () => {
      await using terminal = openTerminal(reach, ["sandbox", "connect", id]);
      await terminal.shows(/\$ /, 60_000);
      terminal.type("kill -9 $$\r");
      assert.equal((await terminal.ended).code, 0, terminal.output);
    });

    test(
      "logs and measurements are printed, and followed until the sandbox ends",
      { skip: isShort },
      async () => {
        assert.match(await succeed(run(["sandbox", "logs", id])), /capsule\.created/);
        await eventually(
          "there is a measurement",
          async () => /cpuUsedPct/.test(await succeed(run(["sandbox", "metrics", id, "--format", "json"]))),
          { intervalMs: 1000 },
        );
        const other = (await succeed(run(["sandbox", "create", "-d", "minimal"]))).trim();
        await using following = openTerminal(reach, ["sandbox", "logs", "-f", other]);
        const measuring = run(["sandbox", "metrics", "-f", other]);
        await following.shows("capsule.created", 60_000);
        assert.match(await succeed(run(["sandbox", "kill", other])), /has been killed/);
        assert.equal((await following.ended).code, 0, following.output);
        assert.match(following.output, /Stopped printing logs/);
        // It reads the state once, and ends with the refusal of a sandbox that is gone.
        assert.match((await measuring).stderr, /not found/);
      },
    );

    test("a sandbox is paused, found paused, and resumed", async () => {
      // In memory only.
      await succeed(run(["sandbox", "exec", id, "touch", "/dev/shm/kept"]));
      assert.match(await succeed(run(["sandbox", "pause", id])), /has been paused/);
      const paused = await printed<{ sandboxId: string }[]>(
        run(["sandbox", "list", "-s", "paused", "-f", "json"]),
      );
      assert.deepEqual(
        paused.map(({ sandboxId }) => sandboxId),
        [id],
      );
      assert.match(await succeed(run(["sandbox", "resume", id])), /has been resumed/);
      assert.match(await succeed(run(["sandbox", "exec", id, "ls", "/dev/shm"])), /kept/);
    });

    test("a snapshot is made, listed, published as a template and deleted", { skip: isShort }, async () => {
      const made = await succeed(run(["sandbox", "snapshot", "create", id]));
      const [snapshot = ""] = /\S+:default/.exec(made) ?? assert.fail(made);
      const listed = await printed<{ snapshotId: string }[]>(
        run(["sandbox", "snapshot", "list", id, "-f", "json"]),
      );
      assert.deepEqual(
        listed.map(({ snapshotId }) => snapshotId),
        [snapshot],
      );
      const template = snapshot.replace(":default", "");
      const isPublic = async (): Promise<boolean | undefined> =>
        (
          await printed<{ templateID: string; public: boolean }[]>(run(["template", "list", "-f", "json"]))
        ).find(({ templateID }) => templateID === template)?.public;
      await succeed(run(["template", "publish", "-y", template]));
      assert.equal(await isPublic(), true);
      await succeed(run(["template", "unpublish", "-y", template]));
      assert.equal(await isPublic(), false);
      assert.match(await succeed(run(["sandbox", "snapshot", "delete", snapshot])), /deleted/i);
      assert.equal(await isPublic(), undefined);
    });

    test("what is not there, and a wrong key, end a command with a text", { skip: isShort }, async () => {
      const missing = "0".repeat(25);
      const refused: readonly (readonly [readonly string[], RegExp])[] = [
        [["sandbox", "info", missing], /wasn't found/],
        [["sandbox", "exec", missing, "true"], /not found/],
        [["sandbox", "create", "-d", "no-such-template"], /template not found: no-such-template/],
        [["template", "delete", "-y", "no-such-template"], /404/],
      ];
      for (const [args, text] of refused) {
        const { code, stdout, stderr } = await run(args);
        assert.deepEqual([code, text.test(stdout + stderr)], [1, true], `${args.join(" ")}: ${stderr}`);
      }
      const wrong = await run(["sandbox", "list"], { env: { E2B_API_KEY: `e2b_${"0".repeat(40)}` } });
      assert.deepEqual([wrong.code, /invalid API key/.test(wrong.stderr)], [1, true], wrong.stderr);
      const none = await run(["sandbox", "list"], { env: { E2B_API_KEY: "" } });
      assert.deepEqual([none.code, /E2B_API_KEY/.test(none.stderr)], [1, true], none.stderr);
    });

    test("sandboxes are killed, one and all", async () => {
      assert.match(await succeed(run(["sandbox", "kill", id])), /has been killed/);
      assert.match((await run(["sandbox", "kill", id])).stderr, /wasn't found/);
      await succeed(run(["sandbox", "create", "-d", "minimal"]));
      assert.match(await succeed(run(["sandbox", "kill", "--all"])), /has been killed/);
      assert.match(await succeed(run(["sandbox", "list"])), /No sandboxes/i);
    });
  });

test(
  "a template is built of a Dockerfile, and a terminal opened in a sandbox of it",
  { skip: !isLong },
  async () => {
    registry.push("team/tool", buildImage(await clientImage()), "v1");
    const folder = join(machine.home, "template");
    await mkdir(folder);
    await writeFile(
      join(folder, "e2b.Dockerfile"),
      `FROM ${registry.host}/team/tool:v1\nENV MODE=built\nRUN echo hello > /home/user/written\n`,
    );
    const run = runner("plain HTTP");
    const args = ["template", "create", "cli-made", "-p", folder, "--cpu-count", "1", "--memory-mb", "512"];
    const { code, stdout, stderr } = await run(args, { limitMs: 240_000 });
    assert.equal(code, 0, stdout + stderr);
    await using terminal = openTerminal("plain HTTP", ["sandbox", "create", "cli-made"]);
    await terminal.shows(/\$ /, 60_000);
    terminal.type("echo see''n $(cat /home/user/written) $MODE\r");
    await terminal.shows("seen hello built");
    terminal.type("exit\r");
    assert.equal((await terminal.ended).code, 0, terminal.output);
    assert.match(await succeed(run(["template", "list"])), /cli-made/);
    // The sandbox outlives its terminal, and a template that is in use is not deleted.
    await succeed(run(["sandbox", "kill", "--all"]));
    await succeed(run(["template", "delete", "-y", "cli-made"]));
    assert.doesNotMatch(await succeed(run(["template", "list", "-f", "json"])), /cli-made/);
  },
);

test("files of a template are written without the server", async () => {
  const folder = join(machine.home, "written");
  await mkdir(folder);
  const run = runner("plain HTTP");
  await succeed(run(["template", "init", "-n", "made", "-l", "typescript", "-p", folder]));
  await writeFile(join(folder, "e2b.Dockerfile"), "FROM debian:12\nRUN true\n");
  const migrated = await run(["template", "migrate", "-n", "moved", "-l", "typescript"], { cwd: folder });
  assert.equal(migrated.code, 0, migrated.stdout + migrated.stderr);
  assert.match(await succeed(run(["auth", "info"])), /Not logged in/);
});

/** An image with a shell by the name that clients use, and their user. */
async function clientImage() {
  const { layers, config } = await busyboxImage();
  const accounts = [
    file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000::/home/user:/bin/bash\n"),
    file("etc/group", "root:x:0:root\nuser:x:1000:\n"),
    dir("home/user", { uid: 1000, gid: 1000 }),
    file("bin/bash", '#!/bin/sh\nexec /bin/sh "$@"\n', { mode: 0o755 }),
  ];
  return { layers: [...layers, accounts], ...(config && { config }) };
}

function openTerminal(reach: Reach, args: readonly string[]): PtySession & AsyncDisposable {
  const terminal = machine.terminal(reach, program, args);
  return Object.assign(terminal, { [Symbol.asyncDispose]: async () => terminal.close() });
}

function runner(reach: Reach) {
  return async (args: readonly string[], options: ClientRun = {}): Promise<CommandResult> =>
    await machine.run(reach, program, args, options);
}

/** What a command prints, which must succeed. */
async function succeed(running: Promise<CommandResult>): Promise<string> {
  const { code, stdout, stderr } = await running;
  assert.equal(code, 0, stdout + stderr);
  return stdout;
}

async function printed<T>(running: Promise<CommandResult>): Promise<T> {
  return JSON.parse(await succeed(running)) as T;
}
