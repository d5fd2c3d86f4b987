import assert from "node:assert/strict";
import { test } from "node:test";
import { chooseAccelerator } from "@wrenn/vmm";
import type { KvmFinding } from "@wrenn/vmm";

const signal = AbortSignal.timeout(10_000);
const native: KvmFinding = { usable: true, works: true, reason: "executes natively", mips: 2600 };
const emulating: KvmFinding = { usable: false, works: true, reason: "only emulates", mips: 2 };
const missing: KvmFinding = { usable: false, works: false, reason: "/dev/kvm: Permission denied", mips: 0 };
const probe = (finding: KvmFinding) => () => Promise.resolve(finding);

test("left to itself, a host uses KVM only where it runs guest code natively", async () => {
  const choices = [native, emulating, missing].map((finding) =>
    chooseAccelerator("", "auto", signal, probe(finding)),
  );
  assert.deepEqual(
    (await Promise.all(choices)).map(({ accelerator, reason }) => [accelerator, reason]),
    [
      ["kvm", "executes natively"],
      ["tcg", "only emulates"],
      ["tcg", "/dev/kvm: Permission denied"],
    ],
  );
});

test("a demanded KVM is used even where it only emulates, and is an error where it does not work", async () => {
  const forced = await chooseAccelerator("", "kvm", signal, probe(emulating));
  assert.equal(forced.accelerator, "kvm");
  assert.match(forced.reason, /WRENN_ACCELERATOR=kvm.*only emulates/);
  await assert.rejects(chooseAccelerator("", "kvm", signal, probe(missing)), {
    reason: "kvm_unusable",
    message: /Permission denied/,
  });
});

test("demanded emulation does not look at KVM", async () => {
  const untouched = (): Promise<never> => Promise.reject(new Error("probed"));
  const { accelerator, reason } = await chooseAccelerator("", "tcg", signal, untouched);
  assert.deepEqual([accelerator, reason], ["tcg", "WRENN_ACCELERATOR=tcg"]);
});

test("a probe that cannot be run is a reason for emulation, not for failure", async () => {
  const { accelerator } = await chooseAccelerator("/nowhere/probe", "auto", signal);
  assert.equal(accelerator, "tcg");
});
