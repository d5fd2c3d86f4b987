import assert from "node:assert/strict";
import { mkdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { specOf, startAgentOnFakeMachines } from "./support/agent-on-fake-machines.ts";

test("a create that is refused leaves the directory that was there under its id", async (t) => {
  const subject = await startAgentOnFakeMachines();
  t.after(() => subject.close());
  const { agent, directory, template } = subject;
  const spec = specOf(template);
  // As after a start of the host agent that could not read the capsule.
  const found = join(directory, "../capsules", spec.id);
  await mkdir(join(found, "disk"), { recursive: true });
  await writeFile(join(found, "disk/0.qcow2"), "data of a user");
  await assert.rejects(agent.createCapsule(spec, AbortSignal.timeout(30_000)), (error) =>
    WrennError.is(error, "capsule_busy"),
  );
  assert.equal(await readFile(join(found, "disk/0.qcow2"), "utf8"), "data of a user");
});
