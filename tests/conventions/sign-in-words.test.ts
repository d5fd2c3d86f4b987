import assert from "node:assert/strict";
import { test } from "node:test";
import { signInProblems } from "../../apps/dashboard/src/lib/accounts/sign-in-problems.ts";
import { explanations } from "../../packages/control-plane/src/sign-in/sign-in-result-page.ts";

test("the dashboard explains a sign-in that failed in the words of the server's own page", () => {
  assert.deepEqual(signInProblems, explanations);
});
