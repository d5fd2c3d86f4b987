import assert from "node:assert/strict";
import { test } from "node:test";
import { TestDatabase } from "@wrenn/database/testing";
import fc from "fast-check";
import { sql } from "kysely";
import pg from "pg";
import { parseUtc } from "../src/timestamps.ts";

const general = pg.types.getTypeParser(pg.types.builtins.TIMESTAMPTZ) as (text: string) => unknown;
const pad = (value: number, length: number): string => String(value).padStart(length, "0");

test("timestamps in UTC are read as pg reads them, whatever their fraction", () => {
  const date = fc.date({
    min: new Date("0100-01-01T00:00:00Z"),
    max: new Date("9999-12-31T23:59:59.999Z"),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(date, fc.integer({ min: 0, max: 999_999 }), (at, micros) => {
      const fraction = micros === 0 ? "" : `.${pad(micros, 6).replace(/0+$/, "")}`;
      const text = `${at.toISOString().slice(0, 19).replace("T", " ")}${fraction}+00`;
      assert.deepEqual(parseUtc(text), general(text), text);
    }),
    { numRuns: 2000 },
  );
});

test("other forms are left to pg", () => {
  for (const text of [
    "infinity",
    "-infinity",
    "2026-01-02 03:04:05+01",
    "2026-01-02 03:04:05.5-08",
    "2026-01-02 03:04:05+05:30",
    "0044-03-15 12:00:00+00 BC",
    "12026-01-02 03:04:05+00",
    "0099-01-02 03:04:05+00",
    "",
  ])
    assert.equal(parseUtc(text), undefined, text);
});

test("a session in another zone reads the same moments", async () => {
  await using files = await TestDatabase.create();
  const database = await files.open();
  try {
    await database.db.transaction().execute(async (trx) => {
      for (const zone of ["UTC", "Asia/Kolkata", "America/New_York"]) {
        await sql`set local time zone ${sql.lit(zone)}`.execute(trx);
        const { rows } = await sql<{ at: Date; never: unknown }>`
          select timestamptz '2026-07-01 12:34:56.789Z' as at, timestamptz 'infinity' as never`.execute(trx);
        assert.deepEqual(rows[0]?.at, new Date("2026-07-01T12:34:56.789Z"), zone);
        assert.equal(rows[0].never, Number.POSITIVE_INFINITY);
      }
    });
  } finally {
    await database.close();
  }
});
