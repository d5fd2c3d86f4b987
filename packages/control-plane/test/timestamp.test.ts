import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { timestamp } from "../src/http/timestamp.ts";

test("timestamps are those of the standard library without the fraction", () => {
  const within = { min: new Date("0001-01-01T00:00:00Z"), max: new Date("9999-12-31T23:59:59.999Z") };
  fc.assert(
    fc.property(fc.array(fc.date({ ...within, noInvalidDate: true }), { minLength: 1 }), (dates) => {
      for (const date of dates) assert.equal(timestamp(date), `${date.toISOString().slice(0, 19)}Z`);
    }),
  );
});

test("a moment that is none is refused, also after good ones", () => {
  timestamp(new Date(0));
  assert.throws(() => timestamp(new Date(Number.NaN)), RangeError);
});
