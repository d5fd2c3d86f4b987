import assert from "node:assert/strict";
import { mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { createQemuIdentity } from "../src/qemu/qemu-identity.ts";

const directory = await mkdtemp("/tmp/wi-");
after(() => rm(directory, { recursive: true, force: true }));
const qemu = join(directory, "qemu");

/** Replaces the program as a package manager does: by a new file under its name. */
async function install(script: string): Promise<void> {
  await writeFile(`${qemu}.new`, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  await rename(`${qemu}.new`, qemu);
}

test("a QEMU that is replaced while the host agent runs has another identity, one that stays is asked once", async () => {
  const identity = createQemuIdentity(qemu, { accelerator: "tcg", tscKhz: 1_000_000 });
  const asked = join(directory, "asked");
  await install(`echo >> ${asked}; echo 'QEMU emulator version 7.2.22 (Debian)'`);
  const first = await identity();
  assert.match(first, /^QEMU emulator version 7\.2\.22 \(Debian\) microvm\/tcg\//);
  await install(`rm ${asked}; echo 'QEMU emulator version 10.0.2 (Debian)'`);
  assert.match(await identity(), /version 10\.0\.2/);
  // The second question would fail: the file is gone.
  assert.match(await identity(), /version 10\.0\.2/);
});

test("a question that failed is asked again, and a missing QEMU is named", async () => {
  const identity = createQemuIdentity(qemu, { accelerator: "tcg", tscKhz: 1_000_000 });
  const broken = join(directory, "broken");
  await writeFile(broken, "");
  await install(`test -e ${broken} && exit 1; echo 'QEMU emulator version 7.2.22'`);
  await assert.rejects(identity(), { reason: "command_failed" });
  await rm(broken);
  assert.match(await identity(), /7\.2\.22/);
  await rm(qemu);
  await assert.rejects(identity(), { reason: "dependency_missing" });
});
