import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { formatId, newId, parseId, systemRandom, WrennError } from "@wrenn/core";

test("an id reads back as the uuid it was made from", () => {
  fc.assert(
    fc.property(fc.uuid(), (uuid) => {
      const id = formatId("capsule", uuid);
      assert.match(id, /^cl-[0-9a-z]{25}$/);
      assert.equal(parseId("capsule", id), uuid);
    }),
  );
});

test("the smallest and the largest uuid have ids of the same length", () => {
  assert.equal(formatId("capsule", "00000000-0000-0000-0000-000000000000"), `cl-${"0".repeat(25)}`);
  const largest = "ffffffff-ffff-ffff-ffff-ffffffffffff";
  assert.equal(parseId("team", formatId("team", largest)), largest);
});

test("wrong prefix, length, alphabet and range are refused with the contract's text", () => {
  const good = newId("capsule", systemRandom);
  const bad = [
    "",
    "cl-",
    good.slice(0, -1),
    `${good}0`,
    good.replace("cl-", "team-"),
    good.toUpperCase(),
    `cl-${"z".repeat(25)}`,
  ];
  for (const text of bad) {
    assert.throws(
      () => parseId("capsule", text),
      (error) =>
        WrennError.is(error, "invalid_id") &&
        error.message === "invalid sandbox ID" &&
        error.entry.status === 400,
      text,
    );
  }
});
