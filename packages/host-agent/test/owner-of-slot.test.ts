import assert from "node:assert/strict";
import { test } from "node:test";
import { newId, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { SlotOwner } from "@wrenn/network";
import { specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

const signal = AbortSignal.timeout(60_000);
const byText = (a: string, b: string): number => a.localeCompare(b);
const team = newId("team", systemRandom);

test("each slot has its capsule and counts for its team: from a create, a fork, a resume, and after a restart", async () => {
  const teams: (string | undefined)[] = [];
  const capsules = new Map<number, string>();
  const onOwner = (number: number, owner: SlotOwner): void => {
    if ("team" in owner) teams.push(owner.team);
    if (owner.capsule !== undefined) capsules.set(number, owner.capsule);
  };
  const first = await startAgentOnFakeMachines({
    onOwner,
    onSlotRelease: ({ number }) => void capsules.delete(number),
  });
  const spec = { ...specOf(first.template), team };
  const held = (): readonly string[] => [...capsules.values()].sort(byText);
  await first.agent.createCapsule(spec, signal);
  assert.deepEqual(teams.splice(0), [team], "created");
  assert.deepEqual(held(), [spec.id]);
  const child = newId("capsule", systemRandom);
  await first.agent.forkCapsule(spec.id, [{ ...spec, id: child }], signal);
  assert.deepEqual(teams.splice(0), [team], "forked");
  assert.deepEqual(held(), [spec.id, child].sort(byText));
  await first.agent.pauseCapsule(spec.id, signal);
  await first.agent.resumeCapsule(spec.id, signal);
  assert.deepEqual(teams.splice(0), [team], "resumed");
  await eventually("the slot from before the pause is released", async () => held().length === 2);
  assert.deepEqual(held(), [spec.id, child].sort(byText));
  await first.agent.close("leave");
  capsules.clear();
  const second = await startAgentOnFakeMachines({ root: first.root, onOwner });
  assert.deepEqual(teams.splice(0), [team, team], "taken over");
  assert.deepEqual(held(), [spec.id, child].sort(byText));
  await second.close();
});
