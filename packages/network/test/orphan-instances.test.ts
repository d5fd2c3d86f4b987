import assert from "node:assert/strict";
import { test } from "node:test";
import { removeInstance } from "../src/orphan-instances.ts";
import type { Runner } from "../src/runner.ts";

test("an instance of which the kernel still holds something keeps its address block, and is removed by a later attempt", async () => {
  const commands: string[] = [];
  const runner: Runner = async (argv, { input = "" }) => {
    commands.push(`${argv.join(" ")} ${input}`);
    return { stdout: "" };
  };
  const owner = { stateDirectory: "/nonexistent", block: 250 };
  const orphan = { id: "ffff", owner, slots: [1, 2] };
  const held = [orphan.id, "0000"];
  const remove = (): Promise<void> => removeInstance(orphan, { runner, inKernel: async () => held });
  const isReleased = (): boolean => commands.some((command) => command.includes("route del blackhole"));

  await assert.rejects(
    remove(),
    /removing the network of instance ffff failed: the kernel still holds some of it/,
  );
  assert.equal(isReleased(), false);
  assert.ok(commands.some((command) => command.includes("netns del wrenn-ffff-2")));
  held.shift();
  await remove();
  assert.equal(isReleased(), true);
});
