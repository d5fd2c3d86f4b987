import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { WrennError } from "@wrenn/core";
import type { Accelerator } from "@wrenn/vmm";
import type { Check, CheckStatus } from "../../src/doctor/check.ts";
import { kvmCheck } from "../../src/doctor/kvm.ts";
import { machineStartCheck } from "../../src/doctor/machine-start.ts";
import { tscCheck } from "../../src/doctor/tsc.ts";
import { describedHost } from "../described-host.ts";

const accelerated = (accelerator: Accelerator["accelerator"], reason: string, mips: number) => () =>
  Promise.resolve({ accelerator, reason, mips });

const libraries = { zygote: "/nowhere/zygote.so", shim: "/nowhere/shim.so" };

const cases: readonly (readonly [string, Check, CheckStatus, RegExp, RegExp])[] = [
  [
    "native",
    kvmCheck("probe", "auto", accelerated("kvm", "native", 4000)),
    "ok",
    /native, 4000 million/,
    /^$/,
  ],
  [
    "emulated",
    kvmCheck("probe", "auto", accelerated("tcg", "only emulates", 2)),
    "warn",
    /only emulates/,
    /\/dev\/kvm/,
  ],
  [
    "forked machines",
    machineStartCheck(libraries, "zygote", async () => ({ way: "zygote" })),
    "ok",
    /^forked from a loaded QEMU; at most 64 machines, and those of 30 minutes/,
    /^$/,
  ],
  [
    "executed machines",
    machineStartCheck(libraries, "exec"),
    "ok",
    /^executed \(WRENN_MACHINE_START=exec\)$/,
    /^$/,
  ],
  [
    "machines that cannot be forked",
    machineStartCheck(libraries, "zygote"),
    "warn",
    /^executed, because no zygote starts: .*ENOENT/,
    /WRENN_MACHINE_START=exec/,
  ],
  [
    "demanded and not there",
    kvmCheck("probe", "kvm", () =>
      Promise.reject(new WrennError("kvm_unusable", { problem: "/dev/kvm does not exist" })),
    ),
    "fail",
    /\/dev\/kvm does not exist/,
    /WRENN_ACCELERATOR/,
  ],
  [
    "demanded, but emulating",
    kvmCheck("probe", "kvm", accelerated("kvm", "WRENN_ACCELERATOR=kvm: only emulates", 2)),
    "warn",
    /only emulates, 2 million/,
    /WRENN_ACCELERATOR=auto/,
  ],
  // The choice needs no probe.
  ["switched off", kvmCheck("/nowhere", "tcg"), "warn", /WRENN_ACCELERATOR=tcg/, /WRENN_ACCELERATOR=auto/],
  ["counter known", tscCheck("probe", () => Promise.resolve(2_596_110)), "ok", /2596 MHz/, /^$/],
  [
    "counter unknown",
    tscCheck("probe", () => Promise.reject(new WrennError("tsc_unusable", { problem: "unsteady" }))),
    "warn",
    /unknown.*unsteady/,
    /constant_tsc/,
  ],
  ["no program to measure with", tscCheck("/nowhere/probe"), "warn", /unknown.*\/nowhere\/probe/, /wrenn/],
];

suite("doctor's checks of the processor", () => {
  for (const [name, check, status, found, remedy] of cases)
    test(`${check.id}: ${name}`, async () => {
      const finding = await check.inspect(describedHost(), AbortSignal.timeout(5000));
      assert.equal(finding.status, status);
      assert.match(finding.found, found);
      assert.match(finding.remedy, remedy);
    });
});
