import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import * as current from "e2b";
import * as earlier from "e2b-2-45";
import { E2bLab } from "./support/e2b-lab.ts";

const clients = [
  ["e2b 2.51.0", "current", current.Template],
  ["e2b 2.45.0", "earlier", earlier.Template as unknown as typeof current.Template],
] as const;

describe("templates and snapshots through the published clients", () => {
  let lab: E2bLab;
  let context: string;
  before(async () => {
    lab = await E2bLab.start();
    context = await mkdtemp(join(tmpdir(), "e2b-templates-"));
    await writeFile(join(context, "hello.txt"), "hello\n");
  });
  after(async () => {
    await rm(context, { recursive: true, force: true });
    await lab[Symbol.asyncDispose]();
  });

  for (const [name, alias, Template] of clients) {
    test(`${name} builds a template with files, start command and tags, and starts a sandbox of it`, async () => {
      const { options } = lab;
      const template = Template({ fileContextPath: context })
        .fromTemplate("minimal")
        .setEnvs({ MODE: 'a $HOME "quoted" $(none)' })
        .copy("hello.txt", "/srv/")
        .runCmd("true; echo from the build; true")
        .setStartCmd("sleep infinity", "true");
      const lines: string[] = [];
      const built = await Template.build(template, `${alias}:v1`, {
        ...options,
        tags: ["stable"],
        cpuCount: 1,
        memoryMB: 512,
        onBuildLogs: (entry) => void lines.push(entry.message),
      });
      assert.equal(built.templateId, alias);
      assert.ok(lines.includes("from the build"), lines.join("\n"));
      assert.equal(lab.builder.last?.healthcheck, "--interval=1s /bin/bash -c 'true'");
      assert.deepEqual(lab.builder.last.config.entrypoint, ["/bin/bash", "-c", "sleep infinity"]);
      assert.equal(lab.builder.last.config.user, "user");
      assert.equal(await Template.exists(alias, options), true);
      assert.equal(await Template.exists("nothing-of-that-name", options), false);
      assert.deepEqual(
        (await Template.getTags(alias, options)).map(({ tag }) => tag),
        ["stable", "v1"],
      );
      const assigned = await Template.assignTags(`${alias}:v1`, ["production"], options);
      assert.deepEqual(assigned.tags, ["production"]);
      await Template.removeTags(alias, ["stable"], options);
      assert.deepEqual(
        (await Template.getTags(alias, options)).map(({ tag }) => tag),
        ["production", "v1"],
      );
    });

    test(`${name} hears which of its steps has failed`, async () => {
      const template = Template().fromTemplate("minimal").runCmd("true").runCmd("true; exit 3; true");
      await assert.rejects(Template.build(template, `${alias}-broken`, lab.options), {
        name: "BuildError",
        message: /exit code/,
      });
      const { body } = await lab.call("GET", "/v2/templates?limit=100");
      assert.ok(!JSON.stringify(body).includes(`${alias}-broken`));
    });
  }

  test("a snapshot is a template with its sandbox running on, and goes by its id", async () => {
    const { options } = lab;
    const { Sandbox } = current;
    const sandbox = await Sandbox.create("minimal", { ...options, timeoutMs: 500_000 });
    const { endAt } = await sandbox.getInfo();
    const named = await sandbox.createSnapshot({ name: "kept:v2" });
    assert.match(named.snapshotId, /^[0-9a-f-]+\/kept:v2$/);
    assert.deepEqual(named.names, [named.snapshotId]);
    const unnamed = await sandbox.createSnapshot();
    assert.match(unnamed.snapshotId, /^[0-9a-f]{20}:default$/);
    assert.deepEqual(unnamed.names, []);
    const after = await sandbox.getInfo();
    assert.equal(after.state, "running");
    assert.ok(Math.abs(after.endAt.getTime() - endAt.getTime()) < 2000, "its end stays");
    const listed = await Sandbox.listSnapshots({ ...options, sandboxId: sandbox.sandboxId }).nextItems();
    assert.deepEqual(
      listed.map(({ snapshotId }) => snapshotId),
      [unnamed.snapshotId, named.snapshotId],
    );
    assert.deepEqual(await Sandbox.listSnapshots({ ...options, name: "nothing" }).nextItems(), []);
    for (const { snapshotId } of [named, unnamed]) {
      const child = await Sandbox.create(snapshotId, options);
      await child.kill();
      assert.equal(await Sandbox.deleteSnapshot(snapshotId, options), true);
      assert.equal(await Sandbox.deleteSnapshot(snapshotId, options), false);
    }
    await sandbox.kill();
  });
});
