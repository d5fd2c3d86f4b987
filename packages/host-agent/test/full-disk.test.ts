import assert from "node:assert/strict";
import { open } from "node:fs/promises";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { runCommand } from "@wrenn/system";
import { asDiskFull } from "../src/disks/full-disk.ts";

const thrownBy = async (work: () => Promise<unknown>): Promise<unknown> => {
  try {
    return await work();
  } catch (error) {
    return error;
  }
};

test("a full disk is the typed error, whether this process met it or a program", async () => {
  const met = await thrownBy(async () => {
    await using file = await open("/dev/full", "w");
    await file.writeFile("x");
  });
  const metByProgram = await thrownBy(() =>
    runCommand(["dd", "if=/dev/zero", "of=/dev/full", "bs=1", "count=1", "status=none"], {
      env: { LC_ALL: "C" },
    }),
  );
  for (const error of [met, metByProgram]) {
    const typed = asDiskFull(error, "/var/lib/wrenn/capsules");
    assert.ok(WrennError.is(typed, "disk_full"), String(error));
    assert.match(typed.message, /\/var\/lib\/wrenn\/capsules/);
    assert.equal(typed.cause, error);
  }
});

test("other errors stay what they are", () => {
  const guest = new WrennError("disk_full_in_capsule", { path: "/No space left on device" });
  const missing = Object.assign(new Error("missing"), { code: "ENOENT" });
  for (const error of [guest, missing, "text", undefined]) assert.equal(asDiskFull(error, "/"), error);
});
