import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { installMissing, requireKernelBuildTools } from "@wrenn/host-setup";
import type { InstallHost } from "@wrenn/host-setup";
import { kernelBuildRequirements, requirements, testRequirements } from "../src/requirements.ts";

/** A host without any of the packages, and what apt-get was asked to install there. */
function bareHost(distribution: string): { host: InstallHost; installed: string[] } {
  const installed: string[] = [];
  const host: InstallHost = {
    uid: 0,
    distribution,
    run: (argv) => {
      const [program, ...args] = argv;
      if (program === "apt-get")
        installed.push(...args.filter((arg) => /^[a-z]+[a-z0-9-]*$/.test(arg)).slice(1));
      return Promise.resolve({ code: program === "apt-get" ? 0 : 1, stdout: "", stderr: "" });
    },
  };
  return { host, installed };
}

test("what only the tests need is installed for them only, and only where the distribution has it", async () => {
  const names = (list: readonly { readonly name: string }[]) => list.map(({ name }) => name);
  const plain = bareHost("debian");
  await installMissing({ progress: () => {}, host: plain.host });
  assert.deepEqual(plain.installed, names(requirements));
  const debian = bareHost("debian");
  await installMissing({ progress: () => {}, host: debian.host, forTests: true });
  assert.deepEqual(debian.installed, names([...requirements, ...testRequirements]));
  assert.ok(debian.installed.includes("chromium-headless-shell"));
  const ubuntu = bareHost("ubuntu");
  await installMissing({ progress: () => {}, host: ubuntu.host, forTests: true });
  assert.deepEqual(
    ubuntu.installed,
    debian.installed.filter((name) => name !== "chromium-headless-shell"),
  );
});

test("tools that build a kernel are installed for long test runs only; a build without them names the command", async () => {
  const long = bareHost("debian");
  await installMissing({ progress: () => {}, host: long.host, forTests: true, forLongTests: true });
  const names = [...requirements, ...testRequirements, ...kernelBuildRequirements].map(({ name }) => name);
  assert.deepEqual(long.installed, names);
  const bare = bareHost("debian");
  await assert.rejects(requireKernelBuildTools(AbortSignal.timeout(5000), bare.host), (error) => {
    assert.ok(WrennError.is(error, "packages_not_installable"));
    assert.match(error.message, /bc bison flex libelf-dev patch xz-utils/);
    return true;
  });
  assert.deepEqual(bare.installed, [], "nothing is installed in the middle of a test");
});
