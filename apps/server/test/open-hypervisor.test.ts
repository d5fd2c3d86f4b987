import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLogger } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { IncompatibleCapsules } from "@wrenn/host-agent";
import { readConfig } from "@wrenn/server";
import type { Accelerator } from "@wrenn/vmm";
import { openHypervisor, reportChanges } from "../src/open-hypervisor.ts";

const root = await mkdtemp("/tmp/ws-");
after(() => rm(root, { recursive: true, force: true }));
const signal = AbortSignal.timeout(30_000);
const kvm: Accelerator = { accelerator: "kvm", reason: "executes natively", mips: 2600 };
const tcg: Accelerator = { accelerator: "tcg", reason: "only emulates", mips: 2 };
const none: IncompatibleCapsules = { count: 0, differences: [] };

/** The lines of the log. */
class Log {
  readonly lines: (readonly [string, unknown])[] = [];
  readonly logger: Logger = {
    ...silentLogger,
    info: (event, fields) => void this.lines.push([event, fields]),
    warn: (event, fields) => void this.lines.push([event, fields]),
  };
}

test("the log has the accelerator with the reason for it", async () => {
  const log = new Log();
  const config = readConfig({ WRENN_DATA_DIR: root, WRENN_CACHE_DIR: root, WRENN_ACCELERATOR: "tcg" });
  const { hypervisor } = await openHypervisor(config, log.logger, { hasRoom: async () => true }, signal);
  assert.equal(hypervisor.name, "qemu-tcg");
  assert.deepEqual(log.lines, [
    ["host.accelerator", { accelerator: "tcg", reason: "WRENN_ACCELERATOR=tcg", mips: 0 }],
  ]);
});

test("a start on another accelerator than the last warns, with the number of capsules that cannot be resumed", async () => {
  const config = readConfig({ WRENN_DATA_DIR: root });
  const report = async (
    accelerator: Accelerator,
    incompatible = none,
  ): Promise<readonly (readonly [string, unknown])[]> => {
    const log = new Log();
    await reportChanges(config, accelerator, incompatible, log.logger);
    return log.lines;
  };
  assert.deepEqual(await report(kvm), []);
  assert.deepEqual(await report(kvm), []);
  const difference = "accelerator: it was saved with kvm, here is tcg";
  assert.deepEqual(await report(tcg, { count: 3, differences: [difference] }), [
    [
      "host.accelerator_changed",
      { before: "kvm", now: "tcg", reason: "only emulates", paused_capsules_not_resumable: 3 },
    ],
    ["host.capsules_incompatible", { paused_capsules_not_resumable: 3, difference }],
  ]);
  assert.deepEqual(await report(tcg), []);
  await writeFile(join(root, "accelerator.json"), "damaged");
  assert.deepEqual(await report(kvm), []);
});
