import assert from "node:assert/strict";
import { readdir, writeFile } from "node:fs/promises";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import type { ErrorReason } from "@wrenn/core";
import { applyLayers } from "@wrenn/oci";
import type { ImageLimits } from "@wrenn/oci";
import { applyEntry } from "../src/tree/apply-entry.ts";
import { TreeLimitError } from "../src/tree/tree-error.ts";
import { VirtualTree } from "../src/tree/virtual-tree.ts";
import { compress, sha256 } from "./support/built-image.ts";
import { layersOf } from "./support/layer-files.ts";
import { listTree } from "./support/list-tree.ts";
import { ScratchDirectory } from "./support/scratch-directory.ts";
import {
  dir,
  file,
  hardLink,
  headerBlock,
  link,
  memberBlocks,
  opaque,
  tarOf,
} from "./support/tar-builder.ts";
import type { TestMember } from "./support/tar-builder.ts";

const signal = new AbortController().signal;
const MiB = 2 ** 20;

/** Applies layers that are refused. Nothing is left of them. @returns the error. */
async function refused(
  layers: readonly (readonly TestMember[] | Buffer)[],
  reason: ErrorReason,
  limits: Partial<ImageLimits> = {},
): Promise<WrennError> {
  await using directory = await ScratchDirectory.create();
  const files = await layersOf(directory, layers);
  const before = await readdir(directory.path);
  const error = await applyLayers(files, { ...directory.places, signal, limits }).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof WrennError, String(error));
  assert.equal(error.reason, reason, error.message);
  assert.deepEqual(await listTree(directory.tree), []);
  assert.deepEqual(await readdir(directory.scratch), []);
  assert.deepEqual(await readdir(directory.path), before);
  return error;
}

const device = (name: string, flag: "3" | "4", major: number, minor: number): TestMember => ({
  name,
  flag,
  major,
  minor,
});
const many = (count: number, of: (at: number) => TestMember): readonly TestMember[] =>
  Array.from({ length: count }, (_, at) => of(at));

const refusals: readonly (readonly [
  what: string,
  members: readonly TestMember[] | Buffer,
  path: RegExp,
  problem: RegExp,
])[] = [
  ["a name that leaves the root", [file("../escape", "1")], /^\.\.\/escape$/, /leaves the root/],
  ["a name that leaves the root further down", [file("a/../../escape", "1")], /escape/, /leaves the root/],
  ["a hard link that leaves the root", [hardLink("a", "../../etc/shadow")], /^a$/, /leaves the root/],
  ["a hard link to a file of the host", [hardLink("a", "/etc/passwd")], /^a$/, /does not exist/],
  [
    "a hard link through a link to the host",
    [link("l", "/etc"), hardLink("a", "l/passwd")],
    /^a$/,
    /does not exist/,
  ],
  ["a hard link to a directory", [dir("d"), hardLink("a", "d")], /^a$/, /to a directory/],
  ["a device outside of /dev", [device("sda", "4", 8, 0)], /^sda$/, /device/],
  [
    "a device by way of a link to /dev's parent",
    [dir("d"), link("dev", "d"), device("dev/mem", "3", 1, 1)],
    /dev\/mem/,
    /device/,
  ],
  ["a whiteout of overlayfs", [device("dev/x", "3", 0, 0)], /dev\/x/, /overlayfs/],
  ["a component that is too long", [file("n".repeat(256), "1")], /^n{200}…$/, /longer than 255/],
  ["a path that is too long", [file("d/".repeat(2050), "1")], /…$/, /longer than 4095/],
  [
    "a path that links make too long",
    [dir("d/".repeat(2000).slice(0, -1)), link("l", "d/".repeat(2000)), file(`l/${"e/".repeat(100)}f`)],
    /^l\/e/,
    /longer than 4095/,
  ],
  ["a link with a target that is too long", [link("l", "t".repeat(4096))], /^l$/, /target is longer/],
  ["a link without a target", [link("l", "")], /^l$/, /without a target/],
  ["a NUL in a name", [file("x", "1", { pax: { path: "a\0b" } })], /a.b/, /NUL/],
  ["a root that is no directory", [file(".", "1")], /^\.$/, /must be a directory/],
  ["a whiteout of nothing", [file("d/.wh.", "")], /^d\/\.wh\.$/, /names no file/],
  ["a whiteout of the parent", [file("d/.wh...", "")], /^d\/\.wh\.\.\.$/, /names no file/],
  ["a circle of links", [link("a", "b"), link("b", "a"), file("a/x")], /^a\/x$/, /circle/],
  [
    "links that double at each step",
    [...many(40, (at) => link(`l${at}`, `/l${at + 1}/../l${at + 1}`)), file("l0/x")],
    /^l0\/x$/,
    /circle/,
  ],
  [
    "links whose targets go back and forth",
    [dir("d"), ...many(9, (at) => link(`l${at}`, `${"d/../".repeat(800)}l${at + 1}`)), file("l0/x")],
    /^l0\/x$/,
    /too long with all links/,
  ],
  ["a negative size", tarWithSize("\xff".repeat(12)), /^a$/, /negative/],
  ["a size beyond numbers", tarWithSize("\x80".repeat(12)), /archive|a/, /too large|middle/],
  ["an id that Linux does not have", [file("a", "1", { pax: { uid: "4294967295" } })], /^a$/, /not an id/],
  ["a type that is unknown", [{ name: "a", flag: "D" }], /^a$/, /type "D"/],
  [
    "an extended header without an end",
    [file("a", "1", { pax: { comment: "x".repeat(2 * MiB) } })],
    /PaxHeader/,
    /longer than 1048576/,
  ],
  [
    "an extended header of the wrong length",
    Buffer.concat([
      headerBlock({ name: "h", flag: "x", size: 12 }),
      Buffer.from("99 path=abc\n".padEnd(512, "\0")),
    ]),
    /archive/,
    /wrong length/,
  ],
  [
    "attributes that are too long",
    [file("a", "1", { pax: { "SCHILY.xattr.user.a": "x".repeat(70_000) } })],
    /^a$/,
    /attributes/,
  ],
  [
    "a file without an end",
    tarOf([file("a", "x".repeat(5000))]).subarray(0, 2048),
    /archive/,
    /middle of a member/,
  ],
  [
    "bytes in place of an archive",
    Buffer.from("<html>not a layer</html>".repeat(100)),
    /archive/,
    /no tar archive/,
  ],
  ["a sparse file with overlapping pieces", sparse("0,10,5,10"), /^a$/, /overlap/],
  ["a sparse file with pieces outside", sparse("90,20"), /^a$/, /outside/],
  ["a sparse file with other pieces than it stores", sparse("0,10"), /^a$/, /other pieces/],
  ["a sparse file that is larger than any disk", sparse("0,20", String(2 ** 41)), /^a$/, /larger than/],
];
for (const [what, members, path, problem] of refusals)
  test(`refused, and nothing is left: ${what}`, async () => {
    const error = await refused([[file("before", "1")], members], "image_layer_refused");
    assert.match(String(error.context["path"]), path, error.message);
    assert.match(String(error.context["problem"]), problem);
    assert.match(String(error.context["layer"]), /^sha256:[0-9a-f]{64}$/);
  });

function tarWithSize(field: string): Buffer {
  const block = headerBlock({ name: "a" });
  block.write(field, 124, "latin1");
  block.fill(" ", 148, 156);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

/** A sparse file of 20 stored bytes. */
function sparse(map: string, size = "100"): readonly TestMember[] {
  return [file("a", "x".repeat(20), { pax: { "GNU.sparse.map": map, "GNU.sparse.size": size } })];
}

test("devices below /dev are left out, and other names of them", async () => {
  await using directory = await ScratchDirectory.create();
  const members = [
    dir("dev"),
    device("dev/null", "3", 1, 3),
    device("dev/sda", "4", 8, 0),
    hardLink("dev/zero", "dev/null"),
    file("dev/file", "1"),
  ];
  await applyLayers(await layersOf(directory, [members]), { ...directory.places, signal });
  assert.deepEqual(await listTree(directory.tree), ["dev directory 755 0:0", 'dev/file file 644 0:0 "1"']);
});

test("links to files of the host are text, and nothing is written or removed through them", async () => {
  await using directory = await ScratchDirectory.create();
  await using host = await ScratchDirectory.create();
  const layers = [
    [link("abs", host.tree), link("up", `../../../../../../..${host.tree}`)],
    [file("abs/written", "1"), file("up/written", "1"), opaque("abs"), file("abs/.wh.x")],
  ];
  await applyLayers(await layersOf(directory, layers), { ...directory.places, signal });
  assert.deepEqual(await readdir(host.tree), []);
  const inside = host.tree.slice(1);
  assert.ok((await listTree(directory.tree)).includes(`${inside}/written file 644 0:0 "1"`));
});

test("too many entries are refused, over all layers, and directories that no entry names count", async () => {
  const some = (prefix: string): readonly TestMember[] => many(60, (at) => file(`${prefix}${at}`));
  assert.match(
    (await refused([some("a"), some("b")], "image_too_large", { entries: 100 })).message,
    /100 files/,
  );
  // The same name again and again takes the place of one file, and the time of all.
  await refused([many(101, () => file("a"))], "image_too_large", { entries: 100 });
  await refused([many(3, (at) => file(`${at}/${"d/".repeat(50)}f`))], "image_too_large", { entries: 100 });
  await refused([[...sparsePieces(200)]], "image_too_large", { entries: 100 });
});

function sparsePieces(count: number): readonly TestMember[] {
  const map = Array.from({ length: count }, (_, at) => `${at * 2},1`).join(",");
  return [file("a", "x".repeat(count), { pax: { "GNU.sparse.map": map, "GNU.sparse.size": "1000" } })];
}

test("paths and attributes are bounded, as they are held in memory", () => {
  const entry = {
    type: "file",
    target: "",
    mode: 0o644,
    uid: 0,
    gid: 0,
    mtime: { seconds: 0, nanoseconds: 0 },
    device: { major: 0, minor: 0 },
    content: { size: 0, offset: 0, pieces: undefined },
  } as const;
  const none: ReadonlyMap<string, Uint8Array> = new Map();
  const large: ReadonlyMap<string, Uint8Array> = new Map([["user.a", Buffer.alloc(60_000)]]);
  const long = `${"n".repeat(250)}/`.repeat(15);
  const fill = (name: (at: number) => string, xattrs = none): unknown => {
    const tree = new VirtualTree(100_000);
    for (let at = 0; at < 50_000; at += 1) applyEntry(tree, { ...entry, name: name(at), xattrs }, 0);
    return undefined;
  };
  for (const work of [() => fill((at) => `f${at}`, large), () => fill((at) => `${long}${at}`)])
    assert.throws(
      work,
      (error) => error instanceof TreeLimitError && error.what === "bytes of names and attributes",
    );
});

test("opaque whiteouts again and again are bounded together", async () => {
  const members = [...many(10_000, (at) => file(`f${at}`)), ...many(3000, () => file(".wh..wh..opq"))];
  assert.match((await refused([members], "image_too_large")).message, /steps/);
});

test("entries whose ways are long are bounded together", () => {
  const tree = new VirtualTree(100_000);
  const way = Array.from({ length: 1600 }, () => ["d", ".."]).flat();
  const work = (): void => {
    for (let at = 0; at < 100_000; at += 1) tree.findDirectory(way);
  };
  tree.makeDirectory(["d"], 0, { seconds: 0, nanoseconds: 0 });
  assert.throws(work, (error) => error instanceof TreeLimitError && error.what.startsWith("steps"));
});

test("layers that unpack to too much are refused while they are decompressed", async () => {
  for (const compression of ["gzip", "zstd"] as const) {
    await using directory = await ScratchDirectory.create();
    const bomb = await layersOf(directory, [[file("zeros", Buffer.alloc(12 * MiB))]], compression);
    assert.ok((bomb[0]?.size ?? 0) < MiB);
    await assert.rejects(
      applyLayers(bomb, { ...directory.places, signal, limits: { unpackedBytes: 4 * MiB } }),
      (error) => WrennError.is(error, "image_too_large"),
    );
    assert.deepEqual(await listTree(directory.tree), []);
  }
});

test("a layer with another digest than the configuration says is refused", async () => {
  await using directory = await ScratchDirectory.create();
  const [layer] = await layersOf(directory, [[file("a", "1")]]);
  assert.ok(layer);
  await assert.rejects(
    applyLayers([{ ...layer, diffId: sha256(Buffer.of(1)) }], { ...directory.places, signal }),
    (error) => WrennError.is(error, "image_damaged") && error.message.includes(layer.digest),
  );
  assert.deepEqual(await listTree(directory.tree), []);
});

test("damaged compression is refused", async () => {
  for (const compression of ["gzip", "zstd"] as const) {
    await using directory = await ScratchDirectory.create();
    const [layer] = await layersOf(directory, [[file("a", "x".repeat(10_000))]], "none");
    assert.ok(layer);
    const bytes = compress(
      tarOf([file("a", Buffer.from(many(10_000, () => file("")).map((_, at) => (at * at) % 251)))]),
      compression,
    );
    for (const broken of [
      bytes.subarray(0, bytes.length >> 1),
      Buffer.concat([bytes.subarray(0, 100), Buffer.alloc(50, 0xaa), bytes.subarray(150)]),
    ]) {
      await writeFile(layer.path, broken);
      await assert.rejects(
        applyLayers([layer], { ...directory.places, signal }),
        (error) => WrennError.is(error, "image_layer_refused") || WrennError.is(error, "image_damaged"),
      );
    }
    assert.deepEqual(await listTree(directory.tree), []);
  }
});

test("an archive may have anything behind its end, and no end", async () => {
  const whole = tarOf([file("a", "1")]);
  for (const archive of [
    Buffer.concat([whole, Buffer.from("anything")]),
    Buffer.concat([whole, Buffer.alloc(20_000)]),
    Buffer.concat(memberBlocks(file("a", "1"))),
    whole.subarray(0, -512),
  ]) {
    await using directory = await ScratchDirectory.create();
    await applyLayers(await layersOf(directory, [archive]), { ...directory.places, signal });
    assert.deepEqual(await listTree(directory.tree), ['a file 644 0:0 "1"']);
  }
});

test("deep trees are written", async () => {
  await using directory = await ScratchDirectory.create();
  const deep = "d/".repeat(300);
  await applyLayers(await layersOf(directory, [[file(`${deep}f`, "1")]]), { ...directory.places, signal });
  assert.deepEqual(await readdir(directory.tree), ["d"]);
});
