import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { suite, test } from "node:test";
import { tryCommand } from "@wrenn/system";
import { unavailable } from "../support/devices.ts";
import { projectRoot } from "../support/sources.ts";

const native = join(projectRoot, "native");
const parts = (await readdir(native, { withFileTypes: true }))
  .filter((entry) => entry.isDirectory())
  .map((entry) => entry.name);

test("there are native parts to test", () => assert.ok(parts.includes("guest-agent")));

for (const part of parts) {
  test(`${part}: unit tests pass under AddressSanitizer and UndefinedBehaviorSanitizer`, async () => {
    const result = await tryCommand(["make", "-C", join(native, part), "test"]);
    assert.equal(result.code, 0, `${result.stdout.slice(-4000)}\n${result.stderr.slice(-4000)}`);
  });
}

const fuzzed = ["guest-agent", "mmap-shim", "page-server", "zygote"];
const clang = (await tryCommand(["clang", "--version"]).catch(() => ({ code: 1 }))).code === 0;

/** Of each fuzzer, on one processor. */
const FUZZ_SECONDS = process.env["WRENN_TEST_LONG"] === "1" ? 120 : 4;

suite("a short fuzz run of every parser finds nothing", { concurrency: 2 }, () => {
  for (const part of fuzzed)
    test(part, { skip: clang ? false : "clang is not installed" }, async () => {
      const result = await tryCommand([
        "make",
        "--jobs=2",
        "-C",
        join(native, part),
        "fuzz-short",
        `FUZZ_SECONDS=${FUZZ_SECONDS}`,
      ]);
      assert.equal(result.code, 0, result.stderr.slice(-4000));
    });
});

test(
  "mmap-shim: memory below a KVM machine is private, its dirty pages are found, and a page server answers its faults",
  { skip: (await unavailable("/dev/kvm")) || (await unavailable("/dev/userfaultfd")) },
  async () => {
    const result = await tryCommand(["make", "-C", join(native, "mmap-shim"), "kvm-test"]);
    assert.equal(result.code, 0, `${result.stdout.slice(-4000)}\n${result.stderr.slice(-4000)}`);
  },
);
