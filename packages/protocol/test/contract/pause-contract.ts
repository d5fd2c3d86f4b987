import assert from "node:assert/strict";
import { test } from "node:test";
import { totalOf } from "@wrenn/core";
import { CapsuleStatus } from "@wrenn/protocol";
import { Value } from "typebox/value";
import { rejects } from "./contract-lab.ts";
import type { ContractLab } from "./contract-lab.ts";

/** What HostAgent promises of pauses that keep the disk alone, and of the times of its operations. */
export function pauseContract(name: string, lab: ContractLab): void {
  const { agent, signal } = lab;

  test(`${name}: operations say where their time went, within the time that they took, and nothing else does`, async () => {
    const timed = async (work: () => Promise<CapsuleStatus | readonly CapsuleStatus[]>): Promise<void> => {
      const since = performance.now();
      const answer = await work();
      const elapsed = performance.now() - since;
      const statuses = Array.isArray(answer)
        ? (answer as readonly CapsuleStatus[])
        : [answer as CapsuleStatus];
      for (const status of statuses) {
        assert.ok(Value.Check(CapsuleStatus, status));
        assert.ok(status.phases && Object.keys(status.phases).length > 0, JSON.stringify(status));
        assert.ok(totalOf(status.phases) <= elapsed, JSON.stringify([status.phases, elapsed]));
      }
    };
    const spec = lab.spec();
    await timed(() => agent.createCapsule(spec, signal));
    const { id: checkpoint } = await agent.checkpointCapsule(spec.id, undefined, signal);
    const children = [lab.spec(), lab.spec()];
    await timed(() => agent.forkCapsule(spec.id, children, signal));
    await timed(() => agent.pauseCapsule(spec.id, signal));
    await timed(() => agent.resumeCapsule(spec.id, signal));
    await timed(() => agent.restoreCheckpoint(spec.id, checkpoint, signal));
    await timed(() => agent.pauseToDisk(spec.id, signal));
    await timed(() => agent.bootCapsule(spec.id, signal));
    assert.equal((await agent.capsule(spec.id, signal)).phases, undefined);
    assert.ok((await agent.listCapsules(signal)).every(({ phases }) => phases === undefined));
    for (const { id } of [spec, ...children]) await agent.destroyCapsule(id, signal);
  });

  test(`${name}: a capsule whose disk only was kept has no machine, and a resume boots it`, async () => {
    const id = await lab.capsule();
    assert.equal((await agent.capsule(id, signal)).diskAtBoot, undefined, "it was not booted");
    await rejects(() => agent.bootCapsule(id, signal), "capsule_not_paused", /running/);
    const paused = await agent.pauseToDisk(id, signal);
    assert.deepEqual([paused.state, paused.kept], ["paused", "disk"]);
    await rejects(() => agent.pauseToDisk(id, signal), "capsule_not_running", /paused/);
    await rejects(() => agent.processes(id).list(signal), "capsule_not_running", /paused/);
    const [moment] = await agent.listCheckpoints(id, signal);
    assert.deepEqual([moment?.kind, moment?.diskOnly, moment?.memoryBytes], ["pause", true, 0]);
    const booted = await agent.resumeCapsule(id, signal);
    assert.deepEqual([booted.state, booted.kept, booted.diskAtBoot], ["running", undefined, "clean"]);
    assert.deepEqual(await agent.processes(id).list(signal), []);
  });

  test(`${name}: a capsule that was paused with its memory is booted without it`, async () => {
    const id = await lab.capsule();
    assert.equal((await agent.pauseCapsule(id, signal)).kept, "memory");
    assert.equal((await agent.bootCapsule(id, signal)).diskAtBoot, "clean");
    await rejects(() => agent.bootCapsule(id, signal), "capsule_not_paused", /running/);
    assert.equal((await agent.pauseCapsule(id, signal)).kept, "memory");
    const resumed = await agent.resumeCapsule(id, signal);
    assert.deepEqual([resumed.state, resumed.kept], ["running", undefined]);
  });

  test(`${name}: forks of a capsule whose disk only was kept are booted; it stays paused`, async () => {
    const id = await lab.capsule();
    await agent.pauseToDisk(id, signal);
    const forks = await agent.forkCapsule(id, [lab.spec(), lab.spec()], signal);
    assert.deepEqual(
      forks.map(({ state, diskAtBoot }) => [state, diskAtBoot]),
      [
        ["running", "clean"],
        ["running", "clean"],
      ],
    );
    assert.equal((await agent.capsule(id, signal)).kept, "disk");
    assert.equal((await agent.listCheckpoints(id, signal)).length, 1);
    assert.equal((await agent.resumeCapsule(id, signal)).state, "running");
  });

  test(`${name}: a moment is kept with memory or without; capsules start from it until it is dropped`, async () => {
    const id = await lab.capsule();
    const [whole = "", disk = "", never = ""] = ["a", "b", "c"].map((letter) => letter.repeat(64));
    await agent.dropMoments([whole, disk, never], signal);
    await agent.cacheMoment(id, { key: whole, memory: true }, signal);
    await agent.cacheMoment(id, { key: disk, memory: false }, signal);
    await agent.cacheMoment(id, { key: whole, memory: false }, signal);
    assert.deepEqual(await agent.cachedMoments([never, whole, disk], signal), [whole, disk]);
    assert.equal((await agent.capsule(id, signal)).state, "running", "its capsule goes on");
    assert.deepEqual(await agent.listCheckpoints(id, signal), []);
    await agent.destroyCapsule(id, signal);
    for (const [key, diskAtBoot] of [
      [whole, undefined],
      [disk, "clean"],
    ] as const) {
      const child = await agent.createCapsule(lab.spec({ moment: key }), signal);
      assert.deepEqual([child.state, child.diskAtBoot, child.memoryMib], ["running", diskAtBoot, 64]);
      await agent.processes(child.id).list(signal);
      await agent.destroyCapsule(child.id, signal);
    }
    await agent.dropMoments([whole, disk], signal);
    assert.deepEqual(await agent.cachedMoments([whole, disk], signal), []);
    await rejects(() => agent.createCapsule(lab.spec({ moment: whole }), signal), "moment_not_found");
  });

  test(`${name}: a snapshot of a capsule whose disk only was kept is a template, too`, async () => {
    const id = await lab.capsule();
    await agent.pauseToDisk(id, signal);
    const key = `snapshot-${id}`;
    const template = await agent.createSnapshot(id, { key, ownPrograms: false }, signal);
    assert.deepEqual([template.name, template.vcpus, template.memoryMib], [key, 1, 64]);
    assert.equal((await agent.capsule(id, signal)).kept, "disk");
    const child = await agent.createCapsule(lab.spec({ template: key }), signal);
    assert.deepEqual([child.state, child.diskAtBoot], ["running", undefined]);
    await agent.destroyCapsule(child.id, signal);
    await agent.deleteSnapshot(key, signal);
  });
}
