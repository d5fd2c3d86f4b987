import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { fileKind, writeCpio } from "../src/cpio.ts";

const padded = (length: number): number => (length + 3) & ~3;

/** Reads an archive by the format's own description, independently of the writer. */
function readCpio(archive: Buffer): { path: string; mode: number; data: Buffer; device: [number, number] }[] {
  const members = [];
  for (let at = 0; ;) {
    assert.equal(archive.toString("latin1", at, at + 6), "070701");
    const field = (index: number): number =>
      Number.parseInt(archive.toString("latin1", at + 6 + index * 8, at + 14 + index * 8), 16);
    const nameEnd = at + 110 + field(11);
    assert.equal(archive[nameEnd - 1], 0);
    const path = archive.toString("utf8", at + 110, nameEnd - 1);
    const dataAt = at + padded(nameEnd - at);
    const data = archive.subarray(dataAt, dataAt + field(6));
    const next = dataAt + padded(field(6));
    if (path === "TRAILER!!!") {
      assert.equal(next, archive.length);
      return members;
    }
    members.push({ path, mode: field(1), data, device: [field(9), field(10)] as [number, number] });
    at = next;
  }
}

test("every member comes back with its path, mode and bytes", () => {
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          path: fc.stringMatching(/^[a-zé0-9./-]{1,40}$/),
          data: fc.uint8Array({ maxLength: 300 }),
        }),
        { maxLength: 8 },
      ),
      (files) => {
        const entries = files.map(({ path, data }) => ({ path, data, mode: fileKind.file | 0o644 }));
        const members = readCpio(writeCpio(entries));
        assert.deepEqual(
          members.map(({ path, mode, data }) => ({ path, mode, data: new Uint8Array(data) })),
          entries.map(({ path, mode, data }) => ({ path, mode, data: new Uint8Array(data) })),
        );
      },
    ),
  );
});

test("a device node carries its numbers", () => {
  const [node] = readCpio(
    writeCpio([
      { path: "dev/console", mode: fileKind.characterDevice | 0o600, device: { major: 5, minor: 1 } },
    ]),
  );
  assert.equal(node?.mode, 0o020_600);
  assert.deepEqual(node?.device, [5, 1]);
});

test("an empty archive is a trailer only", () => {
  assert.deepEqual(readCpio(writeCpio([])), []);
});

test("GNU cpio lists the same archive", (context) => {
  const archive = writeCpio([
    { path: "dev", mode: fileKind.directory | 0o755 },
    { path: "init", mode: fileKind.file | 0o755, data: Buffer.from("#!") },
  ]);
  const listed = spawnSync("cpio", ["--list", "--quiet"], { input: archive, encoding: "utf8" });
  if (listed.error) return context.skip("cpio is not installed");
  assert.equal(listed.stdout, "dev\ninit\n");
});
