import assert from "node:assert/strict";
import { mkdir, readdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import type { ErrorReason } from "@wrenn/core";
import { applyLayers, openImageArchive, pullImage } from "@wrenn/oci";
import { tryCommand } from "@wrenn/system";
import { buildImage, buildIndex, compress } from "./support/built-image.ts";
import type { BuiltImage } from "./support/built-image.ts";
import { dockerFiles } from "./support/docker-archive.ts";
import { debianShaped } from "./support/image-shapes.ts";
import { layoutFiles, writeFiles } from "./support/layout-directory.ts";
import { listTree } from "./support/list-tree.ts";
import { ScratchDirectory } from "./support/scratch-directory.ts";
import { file, hardLink, link, tarOf } from "./support/tar-builder.ts";

const signal = new AbortController().signal;
const platform = { os: "linux", architecture: "amd64" };
const one = (content: string, more: object = {}): BuiltImage =>
  buildImage({ layers: [[file("which", content)]], ...more });

function packed(files: ReadonlyMap<string, Buffer>): Buffer {
  return tarOf([...files].map(([name, bytes]) => file(name, bytes)));
}

/** Imports an archive. @returns what its image is made of. */
async function imported(
  directory: ScratchDirectory,
  path: string,
  name?: string,
): Promise<readonly string[]> {
  await using archive = await openImageArchive(path, {
    scratch: directory.scratch,
    signal,
    name: "archive.tar",
  });
  const layers = join(directory.path, "layers");
  await mkdir(layers);
  const pulled = await pullImage(archive.image(name), { platform, directory: layers, signal });
  await applyLayers(pulled.layers, { ...directory.places, signal });
  return await listTree(directory.tree);
}

async function importedBytes(bytes: Buffer, name?: string): Promise<readonly string[]> {
  await using directory = await ScratchDirectory.create();
  const path = join(directory.path, "archive.tar");
  await writeFile(path, bytes);
  const listed = await imported(directory, path, name);
  assert.deepEqual(await readdir(directory.scratch), []);
  return listed;
}

async function refused(bytes: Buffer, reason: ErrorReason, name?: string): Promise<string> {
  const error = await importedBytes(bytes, name).then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  assert.ok(error instanceof WrennError, String(error));
  assert.equal(error.reason, reason, error.message);
  return error.message;
}

test("archives of all forms have the same image", async () => {
  const plain = buildImage({ ...debianShaped(), compression: "none" });
  const zipped = buildImage({ ...debianShaped(), compression: "gzip" });
  const layout = layoutFiles({ "docker.io/library/app:v1": zipped });
  const docker = dockerFiles({ "app:v1": plain });
  const both = new Map([
    ...layoutFiles({ "app:v1": plain }),
    ["manifest.json", docker.get("manifest.json") ?? Buffer.of()] as const,
  ]);
  const expected = await importedBytes(packed(layout));
  assert.ok(expected.length > 20);
  for (const bytes of [
    packed(docker),
    packed(dockerFiles({ "app:v1": zipped })),
    packed(both),
    compress(packed(docker), "gzip"),
    compress(packed(layout), "zstd"),
  ])
    assert.deepEqual(await importedBytes(bytes, "app:v1"), expected);
  await using directory = await ScratchDirectory.create();
  await writeFiles(join(directory.path, "layout"), layout);
  assert.deepEqual(await imported(directory, join(directory.path, "layout")), expected);
});

test("of several images one is chosen by its name, in any of its forms", async () => {
  const images = { "app:v1": one("v1"), "registry.example/team/tool": one("tool") };
  for (const files of [dockerFiles(images), layoutFiles(images)]) {
    const bytes = packed(files);
    assert.deepEqual(await importedBytes(bytes, "docker.io/library/app:v1"), ['which file 644 0:0 "v1"']);
    assert.deepEqual(await importedBytes(bytes, "registry.example/team/tool:latest"), [
      'which file 644 0:0 "tool"',
    ]);
    assert.match(
      await refused(bytes, "image_choice_needed"),
      /^archive\.tar has several images: app:v1, registry\.example\/team\/tool$/,
    );
    assert.match(await refused(bytes, "image_not_found", "app:v2"), /app:v2 in archive\.tar/);
  }
});

test("an OCI layout may have an image for several platforms", async () => {
  const arm = one("arm", { architecture: "arm64" });
  const index = buildIndex([
    { image: arm, platform: { os: "linux", architecture: "arm64" } },
    { image: one("amd"), platform },
  ]);
  assert.deepEqual(await importedBytes(packed(layoutFiles({ latest: index }))), ['which file 644 0:0 "amd"']);
  assert.match(
    await refused(packed(layoutFiles({ latest: arm })), "image_platform_missing"),
    /available for linux\/arm64$/,
  );
  // Entries of one name, which the specification allows.
  const files = new Map(layoutFiles({ a: arm, b: one("amd") }));
  const said = JSON.parse(files.get("index.json")?.toString() ?? "") as {
    manifests: { platform?: object; annotations?: object }[];
  };
  for (const [at, entry] of said.manifests.entries()) {
    entry.platform = at === 0 ? { os: "linux", architecture: "arm64" } : platform;
    delete entry.annotations;
  }
  files.set("index.json", Buffer.from(JSON.stringify(said)));
  assert.deepEqual(await importedBytes(packed(files)), ['which file 644 0:0 "amd"']);
});

test("layers that are links to others are found, as docker save wrote them", async () => {
  const image = buildImage({ layers: [[file("a", "1")], [file("b", "2")]], compression: "none" });
  const files = dockerFiles({ "app:v1": image });
  const [first = "", second = ""] = image.layers.map(({ digest }) => digest.replace("sha256:", ""));
  const members = [...files].map(([name, bytes]) =>
    name.startsWith(first)
      ? [file("stored/layer.tar", bytes), link(`${first}/layer.tar`, "../stored/layer.tar")]
      : name.startsWith(second)
        ? [file("other.tar", bytes), hardLink(`${second}/layer.tar`, "other.tar")]
        : [file(name, bytes)],
  );
  assert.deepEqual(await importedBytes(tarOf(members.flat())), ['a file 644 0:0 "1"', 'b file 644 0:0 "2"']);
  const circle = [
    file("manifest.json", files.get("manifest.json")),
    link("x", "y"),
    link("y", "x"),
    link(`${first}/layer.tar`, "../x"),
  ];
  await refused(tarOf(circle), "image_damaged");
});

test("what is no archive of images is refused with what it lacks", async () => {
  const files = layoutFiles({ latest: one("1") });
  const without = (part: string): Buffer =>
    packed(new Map([...files].filter(([name]) => !name.includes(part))));
  assert.match(
    await refused(Buffer.from("no archive at all".repeat(100)), "image_archive_invalid"),
    /no tar archive/,
  );
  assert.match(await refused(tarOf([file("a", "1")]), "image_archive_invalid"), /neither an OCI layout nor/);
  assert.match(await refused(packed(files).subarray(0, 3000), "image_archive_invalid"), /middle of a member/);
  assert.match(
    await refused(compress(packed(files), "gzip").subarray(0, 300), "image_archive_invalid"),
    /gzip data is damaged/,
  );
  assert.match(await refused(without("index.json"), "image_archive_invalid"), /neither/);
  assert.match(await refused(without("blobs/"), "image_damaged"), /does not have it/);
  assert.match(await refused(tarOf([file("manifest.json", "{}")]), "image_unsupported"), /it is not a list/);
  assert.match(
    await refused(
      tarOf([file("manifest.json", '[{"Config":"../../etc/passwd","Layers":[]}]')]),
      "image_damaged",
    ),
    /does not have it/,
  );
  assert.match(await refused(tarOf([file("../escape", "1")]), "image_archive_invalid"), /leaves the archive/);
  assert.match(await refused(tarOf([file("manifest.json", "[]")]), "image_not_found"), /any image/);
  const changed = new Map(
    [...files].map(([name, bytes]) => [
      name,
      name.startsWith("blobs/") ? Buffer.concat([bytes, Buffer.of(0)]) : bytes,
    ]),
  );
  assert.match(await refused(packed(changed), "image_damaged"), /the manifest says/);
  await assert.rejects(openImageArchive("/dev/zero", { scratch: "/tmp", signal }), (error) =>
    WrennError.is(error, "image_archive_invalid"),
  );
  await assert.rejects(
    openImageArchive("/nowhere/at/all.tar", { scratch: "/tmp", signal }),
    (error) =>
      WrennError.is(error, "image_archive_invalid") && error.message.endsWith("there is no such file"),
  );
});

test("a layout directory with links that lead out of it has no files there", async () => {
  await using directory = await ScratchDirectory.create();
  const root = join(directory.path, "layout");
  await writeFiles(root, new Map([["oci-layout", Buffer.from("{}")]]));
  await writeFile(
    join(directory.path, "index.json"),
    layoutFiles({ latest: one("1") }).get("index.json") ?? "",
  );
  await symlink("../index.json", join(root, "index.json"));
  await assert.rejects(imported(directory, root), (error) => WrennError.is(error, "image_archive_invalid"));
});

test("a compressed archive is bounded while it is decompressed", async () => {
  await using directory = await ScratchDirectory.create();
  const path = join(directory.path, "archive");
  await writeFile(path, compress(tarOf([file("zeros", Buffer.alloc(5_000_000))]), "gzip"));
  await assert.rejects(
    openImageArchive(path, { scratch: directory.scratch, signal, limits: { unpackedBytes: 1_000_000 } }),
    (error) => WrennError.is(error, "image_too_large"),
  );
  assert.deepEqual(await readdir(directory.scratch), []);
});

const skopeo = await tryCommand(["skopeo", "--version"]).catch(() => undefined);

test(
  "archives that skopeo writes are read",
  { skip: skopeo === undefined && "skopeo is not installed" },
  async () => {
    await using directory = await ScratchDirectory.create();
    await writeFiles(join(directory.path, "layout"), layoutFiles({ latest: one("skopeo") }));
    for (const target of ["docker-archive:{}:app:v1", "oci-archive:{}:app"]) {
      await using other = await ScratchDirectory.create();
      const path = join(other.path, "archive.tar");
      const { code, stderr } = await tryCommand([
        "skopeo",
        "--insecure-policy",
        "copy",
        `oci:${directory.path}/layout:latest`,
        target.replace("{}", path),
      ]);
      assert.equal(code, 0, stderr);
      assert.deepEqual(await imported(other, path), ['which file 644 0:0 "skopeo"']);
    }
  },
);
