import assert from "node:assert/strict";
import { test } from "node:test";
import { newId, systemRandom } from "@wrenn/core";
import { specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

const signal = AbortSignal.timeout(60_000);
const team = newId("team", systemRandom);

test("each slot of a capsule counts for its team: from a create, a fork, a resume, and after a restart", async () => {
  const seen: (string | undefined)[] = [];
  const onTeam = (_number: number, of: string | undefined): void => void seen.push(of);
  const first = await startAgentOnFakeMachines({ onTeam });
  const spec = { ...specOf(first.template), team };
  await first.agent.createCapsule(spec, signal);
  assert.deepEqual(seen.splice(0), [team], "created");
  const child = newId("capsule", systemRandom);
  await first.agent.forkCapsule(spec.id, [{ ...spec, id: child }], signal);
  assert.deepEqual(seen.splice(0), [team], "forked");
  await first.agent.pauseCapsule(spec.id, signal);
  await first.agent.resumeCapsule(spec.id, signal);
  assert.deepEqual(seen.splice(0), [team], "resumed");
  await first.agent.close("leave");
  const second = await startAgentOnFakeMachines({ root: first.root, onTeam });
  assert.deepEqual(seen.splice(0), [team, team], "taken over");
  await second.close();
});
