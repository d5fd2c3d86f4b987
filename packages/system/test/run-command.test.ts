import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { runCommand, tryCommand } from "@wrenn/system";

test("arguments reach the program unchanged, without a shell", async () => {
  const { stdout } = await runCommand(["printf", "%s|", "a b", "$HOME", "`id`", "*"]);
  assert.equal(stdout, "a b|$HOME|`id`|*|");
});

test("input is piped and closed; exit code and standard error come back", async () => {
  assert.equal((await runCommand(["cat"], { input: "hello" })).stdout, "hello");
  const failed = await tryCommand(["sh", "-c", "echo why >&2; exit 3"]);
  assert.deepEqual(failed, { code: 3, stdout: "", stderr: "why\n" });
  await assert.rejects(
    runCommand(["sh", "-c", "echo why >&2; exit 3"]),
    (error) => WrennError.is(error, "command_failed") && error.message === "sh failed: why",
  );
});

test("files reach the program and those that it starts, and have no name", async () => {
  const texts = ["first", "x".repeat(200_000)];
  const { stdout } = await runCommand(
    ["sh", "-c", "cat /dev/fd/3; sh -c 'wc -c </dev/fd/4; cat /dev/fd/3'"],
    {
      files: texts,
    },
  );
  assert.equal(stdout, "first200000\nfirst");
  const { stdout: named } = await runCommand(["readlink", "/proc/self/fd/3"], { files: ["text"] });
  assert.match(named, / \(deleted\)\n$/);
});

test("a missing program is named", async () => {
  await assert.rejects(tryCommand(["no-such-program-anywhere"]), (error) =>
    WrennError.is(error, "dependency_missing"),
  );
});

test("an aborted command is killed", async () => {
  const controller = new AbortController();
  const running = tryCommand(["sleep", "60"], { signal: controller.signal });
  controller.abort(new Error("enough"));
  await assert.rejects(running, /enough/);
});
