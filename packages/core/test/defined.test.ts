import assert from "node:assert/strict";
import { test } from "node:test";
import { defined } from "@wrenn/core";

interface Options {
  readonly name: string;
  readonly cwd?: string;
  readonly user?: string | null;
}

test("defined leaves out what is undefined and keeps every other value", () => {
  const cwd: string | undefined = ["/root"].at(1);
  const user: string | null | undefined = [null].at(0);
  // Compiles under exactOptionalPropertyTypes: the result has no member that may be undefined.
  const options: Options = defined({ name: "", cwd, user });
  assert.deepEqual(Object.keys(options), ["name", "user"]);
  assert.deepEqual({ ...options }, { name: "", user: null });
});
