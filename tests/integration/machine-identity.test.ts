import assert from "node:assert/strict";
import { release } from "node:os";
import { suite, test } from "node:test";
import { defined, silentLogger } from "@wrenn/core";
import { nativeParts } from "@wrenn/server";
import { createQemuHypervisor, DEFAULT_QEMU, describeDifference } from "@wrenn/vmm";
import { unavailable } from "../support/devices.ts";
import { cacheDirectory, qemu } from "../support/real-machines.ts";

const signal = AbortSignal.timeout(60_000);
const { jail, shim } = nativeParts;
const skip = await unavailable("/dev/kvm");

const underKvm = async (cpuModel?: string, program?: string): Promise<string> => {
  const settings = defined({ cpuModel, qemu: program });
  const hasRoom = async (): Promise<boolean> => true;
  const base = { logger: silentLogger, jail, shim, cacheDirectory, hasRoom } as const;
  const options = { ...base, accelerator: "kvm", ...settings } as const;
  return await (await createQemuHypervisor(options)).identity(signal);
};

suite("the identity of machines under KVM", { skip }, () => {
  test("names the CPU that guests see and the host's kernel, the same at each start", async () => {
    const identity = await underKvm();
    assert.match(
      identity,
      /^QEMU emulator version .* microvm\/kvm\/host@[0-9a-f]{16}@linux-.+\/blk,net,serial2,rng\/1$/,
    );
    assert.ok(identity.includes(`@linux-${release()}/`));
    assert.equal(await underKvm(), identity);
    // The QEMU that has nothing but what machines need is chosen where it is installed.
    assert.equal(await underKvm(undefined, DEFAULT_QEMU), identity, "both programs fit one another's states");
  });

  test("is another one for another CPU, and the difference is named", async () => {
    const [own, nehalem, epyc] = [await underKvm(), await underKvm("Nehalem"), await underKvm("EPYC-Rome")];
    assert.equal(new Set([own, nehalem, epyc]).size, 3);
    assert.match(
      describeDifference(nehalem, epyc),
      /^CPU: it was saved with Nehalem@.*, here is EPYC-Rome@[0-9a-f]+$/,
    );
    assert.ok(!nehalem.includes("@linux-"), "a model is the same on every host of a fleet");
  });

  test("of a CPU model that QEMU does not know is an error", async () => {
    await assert.rejects(underKvm("Nonesuch"), {
      reason: "operation_failed",
      message: /CPU that guests see/,
    });
  });

  test("differs from that of emulated machines in the accelerator", async () => {
    const emulated = await (await qemu()).identity(signal);
    assert.match(
      describeDifference(emulated, await underKvm()),
      /^accelerator: it was saved with tcg, here is kvm/,
    );
  });
});
