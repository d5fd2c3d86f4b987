import assert from "node:assert/strict";
import { test } from "node:test";
import { readRates } from "../src/config/request-rates.ts";

test("rates of the API come from the environment: a second's worth, a burst, or none at all", () => {
  assert.deepEqual(readRates({}), {});
  assert.deepEqual(readRates({ WRENN_KEY_RATE: "200:1000", WRENN_CREATE_RATE: "5" }), {
    perKey: { burst: 1000, everyMs: 5 },
    creates: { burst: 10, everyMs: 200 },
  });
  assert.deepEqual(readRates({ WRENN_ADDRESS_RATE: "off" }), { perAddress: undefined });
  for (const wrong of ["", "0", "-1", "5:0", "5:", "many", "1e3", "5:5:5", "99999999"])
    assert.throws(() => readRates({ WRENN_KEY_RATE: wrong }), { reason: "invalid_field" }, wrong);
});
