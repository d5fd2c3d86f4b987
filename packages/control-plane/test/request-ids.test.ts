import assert from "node:assert/strict";
import { test } from "node:test";
import { systemRandom } from "@wrenn/core";
import { RequestIds } from "../src/http/request-ids.ts";

test("ids of requests differ, also across the draws of randomness", () => {
  let draws = 0;
  const ids = new RequestIds({
    ...systemRandom,
    bytes: (size) => {
      draws++;
      return systemRandom.bytes(size);
    },
  });
  const given = Array.from({ length: 1000 }, () => ids.next());
  assert.ok(given.every((id) => /^req-[0-9a-f]{24}$/.test(id)));
  assert.equal(new Set(given).size, 1000);
  assert.equal(draws, 4);
});
