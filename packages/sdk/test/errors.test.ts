import assert from "node:assert/strict";
import { test } from "node:test";
import { isWrennError, WrennError } from "../src/errors/wrenn-error.ts";
import { errorOfAnswer } from "../src/errors/error-of-answer.ts";

const taken = {
  error: {
    code: "conflict",
    reason: "capsule_name_taken",
    message: "a capsule named report exists",
    remedy: "Choose another name.",
    request_id: "req-1",
    accepted: 3,
  },
};

test("an error carries code, reason, message, remedy, request id and status", () => {
  const headers = new Headers({ "retry-after": "2" });
  const error = errorOfAnswer({ status: 409, headers }, JSON.stringify(taken), "POST /v1/capsules");
  assert.deepEqual(
    [error.code, error.reason, error.message, error.remedy, error.requestId, error.status],
    ["conflict", "capsule_name_taken", taken.error.message, "Choose another name.", "req-1", 409],
  );
  assert.equal(error.retryAfterMs, 2000);
  assert.deepEqual(error.details, { accepted: 3 });
  assert.equal(error.isRetryable, false);
});

test("errors are recognised by code or reason, across copies of the module and in JSON", async () => {
  const path: string = "../src/errors/wrenn-error.ts?copy";
  const copy = (await import(path)) as { WrennError: typeof WrennError };
  const error = new copy.WrennError({ code: "conflict", reason: "capsule_name_taken", message: "taken" });
  assert.equal((error as unknown) instanceof WrennError, false);
  const values: readonly unknown[] = [
    error,
    JSON.parse(JSON.stringify(error)),
    structuredClone(error.toJSON()),
  ];
  for (const value of values) {
    for (const [code, is] of [
      ["conflict", true],
      ["capsule_name_taken", true],
      ["not_found", false],
    ] as const)
      assert.equal(isWrennError(value, code), is);
    assert.ok(isWrennError(value));
    assert.equal(value.message, "taken");
  }
  for (const value of [undefined, null, "wrenn", new Error("no"), { code: "conflict" }])
    assert.ok(!isWrennError(value));
});

test("an answer that is not the server's says so and quotes it", () => {
  const error = errorOfAnswer(
    { status: 502, headers: new Headers() },
    "<html>\n Bad gateway</html>",
    "GET /x",
  );
  assert.equal(error.code, "invalid_answer");
  assert.match(error.message, /status 502 .* <html> Bad gateway/);
  assert.equal(error.isRetryable, true);
});
