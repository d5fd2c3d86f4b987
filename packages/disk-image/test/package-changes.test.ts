import assert from "node:assert/strict";
import { test } from "node:test";
import { comparePackages, readPackages, simulatedChanges } from "../src/package-changes.ts";

const entry = (name: string, version: string, status = "install ok installed"): string =>
  `Package: ${name}\nStatus: ${status}\nArchitecture: amd64\nVersion: ${version}\nDescription: a package\n Status: of the text\n`;

test("only packages that are installed count, with epochs and revisions", () => {
  const status = [
    entry("git", "1:2.39.5-0+deb12u2"),
    entry("gone", "1.0-1", "deinstall ok config-files"),
    entry("libc6", "2.36-9+deb12u13"),
  ].join("\n");
  assert.deepEqual(
    [...readPackages(status)],
    [
      ["git", "1:2.39.5-0+deb12u2"],
      ["libc6", "2.36-9+deb12u13"],
    ],
  );
  assert.equal(readPackages("").size, 0);
});

test("changed, added and removed packages are listed by name, others not", () => {
  const before = new Map([
    ["openssl", "3.0.17-1"],
    ["same", "1"],
    ["old", "2"],
  ]);
  const after = new Map([
    ["same", "1"],
    ["openssl", "3.0.18-1"],
    ["new", "3"],
  ]);
  assert.deepEqual(comparePackages(before, after), [
    { name: "new", after: "3" },
    { name: "old", before: "2" },
    { name: "openssl", before: "3.0.17-1", after: "3.0.18-1" },
  ]);
  assert.deepEqual(comparePackages(before, before), []);
});

test("what apt would do is read from its simulation", () => {
  const output = `Reading package lists...
The following packages will be REMOVED:
  libold1
Remv libold1 [1.2-3]
Inst libssl3:amd64 [3.0.17-1~deb12u2] (3.0.18-1~deb12u1 Debian-Security:12/oldstable-security [amd64]) [openssl:amd64 ]
Inst libnew2 (2.0-1 Debian:12.12/oldstable [amd64])
Conf libssl3 (3.0.18-1~deb12u1 Debian-Security:12/oldstable-security [amd64])
1 upgraded, 1 newly installed, 1 to remove and 0 not upgraded.
`;
  assert.deepEqual(simulatedChanges(output), [
    { name: "libnew2", after: "2.0-1" },
    { name: "libold1", before: "1.2-3" },
    { name: "libssl3", before: "3.0.17-1~deb12u2", after: "3.0.18-1~deb12u1" },
  ]);
  assert.deepEqual(simulatedChanges("0 upgraded, 0 newly installed, 0 to remove and 0 not upgraded.\n"), []);
});
