import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { GuestLink } from "@wrenn/guest";
import { specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";
import type { AgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

const signal = AbortSignal.timeout(60_000);
const links: GuestLink[] = [];
let lab: AgentOnFakeMachines;

before(async () => {
  lab = await startAgentOnFakeMachines({ onGuest: (link) => void links.push(link) });
});
after(() => lab.close());

test("a capsule whose link was given up while it was stopped resumes with a fresh one", async () => {
  const { id } = await lab.agent.createCapsule(specOf("minimal"), signal);
  await lab.agent.pauseCapsule(id, signal);
  // As after a violation of the protocol.
  await links.at(-1)?.detach();
  await lab.agent.resumeCapsule(id, signal);
  const request = { cmd: "true", args: [], envs: {}, stdin: false, output: "detached" as const };
  const process = await lab.agent.processes(id).start(request, signal);
  assert.equal((await process.wait(signal)).exitCode, 0);
  await lab.agent.destroyCapsule(id, signal);
});
