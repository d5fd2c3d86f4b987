import assert from "node:assert/strict";
import { test } from "node:test";
import { realKernelPackage } from "../src/debian-kernel.ts";

test("the meta package stands for one kernel package", () => {
  const depends = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
  assert.equal(realKernelPackage(depends), "linux-image-6.1.0-56-cloud-amd64");
});

test("an answer without a kernel, or with an odd name, is none", () => {
  assert.equal(realKernelPackage(""), undefined);
  assert.equal(realKernelPackage("linux-image-cloud-amd64\n  Depends: libc6\n"), undefined);
  assert.equal(realKernelPackage("  Depends: linux-image-x; reboot\n"), undefined);
});
