import assert from "node:assert/strict";
import { test } from "node:test";
import { readDiskReserve, requireRoomBesideReserve } from "../src/config/disk-reserve.ts";

const GIB = 2 ** 30;

test("the reserve is a size or a part of the disk; anything else is refused, and so is one as large as the disk", () => {
  const reserve = (text: string): number | undefined =>
    readDiskReserve({ WRENN_DISK_RESERVE: text })?.(100 * GIB);
  assert.deepEqual(
    ["20G", "500M", "10%", "0M"].map((text) => reserve(text)),
    [20 * GIB, 500 * 2 ** 20, 10 * GIB, 0],
  );
  for (const text of ["20", "-1G", "95%", "G", ""])
    assert.throws(() => reserve(text), { reason: "invalid_field" });
  requireRoomBesideReserve(20 * GIB, 100 * GIB);
  assert.throws(() => requireRoomBesideReserve(200 * GIB, 100 * GIB), {
    reason: "invalid_field",
    message: /WRENN_DISK_RESERVE.*100\.0 GiB, not 200\.0 GiB/,
  });
});
