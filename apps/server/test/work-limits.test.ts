import assert from "node:assert/strict";
import { test } from "node:test";
import { readCapsuleBuffer, readExecOutput, readWorkLimits } from "../src/config/work-limits.ts";

test("bounds of work under way come from the environment", () => {
  assert.deepEqual(readWorkLimits({}), {});
  assert.deepEqual(readWorkLimits({ WRENN_CALL_LIMITS: "10:20:30", WRENN_SESSION_LIMITS: "1:1:1" }), {
    calls: { capsule: 10, team: 20, server: 30 },
    sessions: { capsule: 1, team: 1, server: 1 },
  });
  for (const wrong of ["", "0:1:1", "5", "5:4:6", "5:6:4", "a:b:c", "1:2:3:4", "off"])
    assert.throws(() => readWorkLimits({ WRENN_CALL_LIMITS: wrong }), { reason: "invalid_field" }, wrong);
});

test("the requests of a team that may be under way come from the environment", () => {
  assert.deepEqual(readWorkLimits({ WRENN_REQUESTS_PER_TEAM: "64" }), { requestsPerTeam: 64 });
  for (const wrong of ["", "0", "-1", "1e3", "off", "1234567"])
    assert.throws(
      () => readWorkLimits({ WRENN_REQUESTS_PER_TEAM: wrong }),
      { reason: "invalid_field" },
      wrong,
    );
});

test("the memory of a capsule comes from the environment, in MiB", () => {
  assert.equal(readCapsuleBuffer({}), undefined);
  assert.equal(readCapsuleBuffer({ WRENN_CAPSULE_BUFFER: "16" }), 16 << 20);
  for (const wrong of ["", "0", "3", "-1", "64MiB", "1e3", "123456"])
    assert.throws(
      () => readCapsuleBuffer({ WRENN_CAPSULE_BUFFER: wrong }),
      { reason: "invalid_field" },
      wrong,
    );
});

test("the output that a command's answer keeps comes from the environment, in MiB, up to 64", () => {
  assert.equal(readExecOutput({}), undefined);
  assert.equal(readExecOutput({ WRENN_EXEC_OUTPUT: "64" }), 64 << 20);
  for (const wrong of ["", "0", "65", "-1", "8MiB", "1e1"])
    assert.throws(() => readExecOutput({ WRENN_EXEC_OUTPUT: wrong }), { reason: "invalid_field" }, wrong);
});
