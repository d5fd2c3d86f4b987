import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { describeDifference } from "@wrenn/vmm";
import { formatIdentity } from "../src/machine-identity.ts";
import { hashExpansion } from "../src/qemu/qemu-identity.ts";

const base = {
  vmm: "QEMU emulator version 7.2.22 (Debian 1:7.2)",
  machineType: "microvm",
  devices: "blk,net",
};
const emulated = formatIdentity({ ...base, accelerator: "tcg", cpu: "Nehalem,-spec-ctrl,+arat" });
const native = formatIdentity({
  ...base,
  accelerator: "kvm",
  cpu: "host@0123456789abcdef",
  hostKernel: "6.1.0-30",
});

test("the identity of emulated machines is written as earlier versions wrote it", () => {
  assert.equal(
    emulated,
    "QEMU emulator version 7.2.22 (Debian 1:7.2) microvm/tcg/Nehalem,-spec-ctrl,+arat/blk,net/1",
  );
});

suite("what differs between two identities is named", () => {
  const cases: readonly (readonly [string, string, string, RegExp])[] = [
    ["QEMU", emulated, emulated.replace("7.2.22", "10.0.2"), /^QEMU: .*7\.2\.22.*here is .*10\.0\.2/],
    ["CPU", native, native.replace("0123", "9999"), /^CPU: .*host@0123.*here is host@9999[^;]*$/],
    [
      "host kernel",
      native,
      native.replace("6.1.0-30", "6.1.0-31"),
      /^host kernel: .*6\.1\.0-30, here is 6\.1\.0-31$/,
    ],
    ["devices", emulated, emulated.replace("blk,net", "blk"), /^devices: .*blk,net, here is blk$/],
    ["machine type", emulated, emulated.replace("microvm", "q35"), /^machine type: .*microvm, here is q35$/],
    [
      "accelerator",
      emulated,
      native,
      /^accelerator: it was saved with tcg, here is kvm; CPU: .*; host kernel: .*none/,
    ],
    ["an older KVM", emulated.replace("tcg", "kvm"), native, /^CPU: it was saved with Nehalem.*host kernel/],
    ["text of another form", "fake/1", emulated, /fake\/1.*microvm/],
  ];
  for (const [what, saved, present, expected] of cases)
    test(what, () => assert.match(describeDifference(saved, present), expected));
});

suite("the hash of the CPU that guests see", () => {
  const answers = (props: object): string =>
    `{"QMP":{}}\n{"return":{}}\n${JSON.stringify({ return: { model: { name: "host", props } } })}\n{"event":"SHUTDOWN"}\n`;
  const props = { avx: true, xsave: true, family: 26, vendor: "AuthenticAMD" };

  test("is that of every property, in whatever order QEMU lists them", () => {
    const hash = hashExpansion(answers(props));
    assert.match(hash, /^[0-9a-f]{16}$/);
    assert.equal(hashExpansion(answers(Object.fromEntries(Object.entries(props).toReversed()))), hash);
    for (const change of [{ avx: false }, { xsave: false }, { family: 25 }, { vendor: "GenuineIntel" }])
      assert.notEqual(hashExpansion(answers({ ...props, ...change })), hash);
  });

  test("is an error where QEMU does not report the properties", () => {
    const refused = `{"return":{}}\n{"error":{"class":"GenericError","desc":"no such model"}}\n`;
    assert.throws(() => hashExpansion(refused), { reason: "operation_failed", message: /no such model/ });
    assert.throws(() => hashExpansion(`{"return":{}}\n`), { reason: "operation_failed" });
    assert.throws(() => hashExpansion("not JSON"), { reason: "operation_failed" });
  });
});
