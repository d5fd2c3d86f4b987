import assert from "node:assert/strict";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { newId, systemRandom } from "@wrenn/core";
import { guestChannel } from "@wrenn/protocol";
import { NativeAgent } from "./support/native-agent.ts";
import { ScriptedLane } from "./support/scripted-lane.ts";
import { TestCgroup } from "./support/test-cgroup.ts";

const { operation, status } = guestChannel;
const signal = AbortSignal.timeout(60_000);
const cgroup = await TestCgroup.make();
const root = await mkdtemp("/tmp/wrenn-shutdown-");
after(() => rm(root, { recursive: true, force: true }));

test("a shutdown gives up uploads and transfers, and reports a clean disk", async () => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect();
  const id = newId("upload", systemRandom);
  await link.files.uploads.create({ id, path: join(root, "file"), size: 10 }, { signal });
  await link.files.uploads.state(id, { signal });
  assert.deepEqual(await link.shutDown(10_000, signal), { killed: 0 });
  await assert.rejects(link.files.uploads.state(id, { signal }), { reason: "upload_not_found" });
  await link.undoShutDown(signal);
  await link.files.uploads.create({ id, path: join(root, "file"), size: 10 }, { signal });
  await link.detach();
  assert.deepEqual(await readdir(root), []);
});

test(
  "a shutdown ends the users' processes, frozen ones too, and their exits arrive",
  { skip: cgroup ? false : "this machine has no cgroups of version 2" },
  async () => {
    assert.ok(cgroup);
    const agent = await NativeAgent.start(cgroup.path);
    const link = await agent.connect();
    try {
      const process = await link.processes.start(
        { cmd: "sleep", args: ["1000"], envs: {}, stdin: false, output: "detached" },
        signal,
      );
      await link.quiesce({ freeze: true }, signal);
      const exit = process.wait(signal);
      assert.deepEqual(await link.shutDown(10_000, signal), { killed: 0 });
      assert.equal((await exit).signal, 9);
    } finally {
      await link.detach();
      await agent[Symbol.asyncDispose]();
      await cgroup.remove();
    }
  },
);

test("an agent of an earlier version does not know it, and says nothing of its disk", async () => {
  const interactive = join(root, "a.sock");
  await using agent = await NativeAgent.start();
  await using lane = await ScriptedLane.listen(interactive, (op) => {
    if (op !== operation.info) return { status: status.badRequest, body: Buffer.from("unknown operation") };
    const body = new guestChannel.BodyWriter().text("0.8.0").text("6.1.0").u64(1).u64(2).u64(3);
    return { status: status.ok, body: body.finish() };
  });
  void lane;
  const link = await agent.connect({ interactive, bulk: agent.bulk });
  assert.equal(await link.shutDown(10_000, signal), undefined);
  assert.equal((await link.info(signal)).diskAtBoot, undefined);
  await link.detach();
});

test("an agent that is no guest has found its disk clean", async () => {
  await using agent = await NativeAgent.start();
  const link = await agent.connect();
  assert.equal((await link.info(signal)).diskAtBoot, "clean");
  await link.detach();
});
