import assert from "node:assert/strict";
import { test } from "node:test";
import { systemRunner } from "../src/runner.ts";

test("the error of a program has everything that it reported", async () => {
  const script = "echo 'Cannot create it: File exists' >&2; echo 'Command failed -:1' >&2; exit 1";
  await assert.rejects(systemRunner(["sh", "-c", script], {}), {
    message: "sh failed: Cannot create it: File exists; Command failed -:1",
  });
  await assert.rejects(systemRunner(["sh", "-c", "exit 3"], {}), { message: "sh failed: exit code 3" });
});
