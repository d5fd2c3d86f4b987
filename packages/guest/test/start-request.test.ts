import assert from "node:assert/strict";
import { test } from "node:test";
import type { StartRequest } from "@wrenn/protocol";
import { encodeStart } from "../src/processes/start-request.ts";

const request: StartRequest = {
  cmd: "true",
  args: ["a"],
  envs: { NAME: "value" },
  stdin: false,
  output: "attached",
};
const options = { handle: 1, ring: 16_384, label: Buffer.alloc(0) };

test("a text with NUL is refused by the name of its field", () => {
  assert.ok(encodeStart(request, options).length > 0);
  const wrong: Readonly<Record<string, Partial<StartRequest>>> = {
    cmd: { cmd: "true\0" },
    args: { args: ["a", "\0"] },
    envs: { envs: { NAME: "a\0b" } },
    cwd: { cwd: "/\0" },
    user: { user: "root\0" },
  };
  for (const [field, change] of Object.entries(wrong))
    assert.throws(() => encodeStart({ ...request, ...change }, options), {
      reason: "invalid_field",
      message: `invalid request: ${field} must not contain NUL`,
    });
});
