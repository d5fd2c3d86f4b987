import assert from "node:assert/strict";
import { test } from "node:test";
import { parseCopyPath } from "../src/copy/copy-path.ts";
import { bytesOf, localPath, nameOf } from "../src/copy/file-name-bytes.ts";
import { ProgressBar } from "../src/output/progress-bar.ts";

test("a side of a copy is a path here, a path in a capsule, or a standard stream", () => {
  const local = (path: string): object => ({ side: "local", path });
  const there = (capsule: string, path: string): object => ({ side: "capsule", capsule, path });
  for (const [text, expected] of [
    ["-", { side: "standard" }],
    ["file", local("file")],
    ["./a:b", local("./a:b")],
    ["/a:b", local("/a:b")],
    ["web:/srv", there("web", "/srv")],
    ["web:", there("web", ".")],
    ["web:~/x", there("web", "~/x")],
    ["-:a:b\nc", there("-", "a:b\nc")],
    ["c:/x", there("c", "/x")],
  ] as const)
    assert.deepEqual(parseCopyPath(text, "linux"), expected, text);
  assert.deepEqual(parseCopyPath(String.raw`C:\x`, "win32"), local(String.raw`C:\x`));
  assert.deepEqual(parseCopyPath("c:/x", "win32"), local("c:/x"));
  assert.throws(() => parseCopyPath("", "linux"), { code: "path_empty" });
});

test("guest paths that a shell on Windows rewrote are refused with the remedy", () => {
  for (const text of [
    "web:C:/Program Files/Git/tmp/x",
    String.raw`web;C:\Program Files\Git\tmp\x`,
    String.raw`cl-1abc:D:\msys64\srv`,
  ])
    assert.throws(
      () => parseCopyPath(text, "win32"),
      (error: Error & { code?: string; remedy?: string }) =>
        error.code === "path_rewritten" && /MSYS_NO_PATHCONV=1/.test(error.remedy ?? ""),
      text,
    );
});

test("names keep their bytes as text, whatever they are", () => {
  for (const hex of ["6162", "ff", "c3a9ff", "e282", "f09f9880", "eda080", "c0af", "61ff62fe0a5c"]) {
    const bytes = Buffer.from(hex, "hex");
    assert.equal(bytesOf(nameOf(bytes)).toString("hex"), hex);
  }
  assert.equal(nameOf(Buffer.of(0x61, 0xff)), "a\udcff");
});

test("no name leads out of the directory", () => {
  assert.equal(localPath("/d", "a/b"), "/d/a/b");
  assert.deepEqual(localPath("/d", "a\udcff"), Buffer.from("/d/a\u00ff", "latin1"));
  for (const name of ["..", "a/../b", "/etc/x", "a//b", ".", "a/", "a\0b"])
    assert.throws(() => localPath("/d", name), { code: "name_not_possible" }, name);
});

test("the bar shows part, amount and rate, fits the terminal and goes away; without a terminal nothing is written", () => {
  let now = 0;
  let written = "";
  const stream = {
    isTTY: true,
    columns: 60,
    write: (text: string | Uint8Array) => ((written += String(text)), true),
  };
  const bar = new ProgressBar(stream, () => now);
  now = 1000;
  bar.show(3 << 20, 6 << 20, "1 of 2 files");
  now = 1050;
  bar.show(4 << 20, 6 << 20);
  assert.equal(written, `\r\u001b[K[${"#".repeat(12)}${" ".repeat(12)}]  50 %  3.0 MiB of 6.0 MiB  3.0 M`);
  bar.clear();
  bar.clear();
  assert.ok(written.endsWith("\r\u001b[K"));
  written = "";
  new ProgressBar({ ...stream, isTTY: false }, () => now).show(1, 2);
  assert.equal(written, "");
});
