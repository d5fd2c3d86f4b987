import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { applyLayers } from "@wrenn/oci";
import {
  alpineShaped,
  debianShaped,
  distrolessShaped,
  fakeProgram,
  scratchShaped,
} from "./support/image-shapes.ts";
import { layersOf } from "./support/layer-files.ts";
import { listTree } from "./support/list-tree.ts";
import { ScratchDirectory } from "./support/scratch-directory.ts";
import { dir, file, link } from "./support/tar-builder.ts";
import type { TestMember } from "./support/tar-builder.ts";

const executable = (name: string, content: Uint8Array | string, mode = 0o755): TestMember =>
  file(name, content, { mode });

/** Looks at the programs of an image. @returns the error's message; undefined where there is none. */
async function problemOf(
  layers: readonly (readonly TestMember[] | Buffer)[],
  programs: readonly string[] = [],
  architecture = "amd64",
): Promise<string | undefined> {
  await using directory = await ScratchDirectory.create();
  try {
    await applyLayers(await layersOf(directory, layers), {
      ...directory.places,
      signal: new AbortController().signal,
      architecture: { architecture, programs, path: "/opt/bin:/usr/bin" },
    });
    return undefined;
  } catch (error) {
    assert.ok(WrennError.is(error, "image_mislabelled"), String(error));
    assert.deepEqual(await listTree(directory.tree), []);
    return error.message;
  }
}

test("images whose programs are for another machine are refused before anything is written", async () => {
  const shell = fakeProgram("arm-64");
  assert.equal(
    await problemOf(debianShaped({ shell }).layers),
    "the image is labelled amd64, but /bin/sh is a program for ARM 64",
  );
  assert.match((await problemOf(alpineShaped({ shell }).layers)) ?? "", /\/bin\/sh is a program for ARM 64/);
  assert.match((await problemOf(distrolessShaped({ shell }).layers, ["/app"])) ?? "", /\/app is a program/);
  assert.match(
    (await problemOf(debianShaped().layers, [], "arm64")) ?? "",
    /labelled arm64, but \/bin\/sh is a program for x86-64/,
  );
});

test("images whose programs are for this machine pass, and so do those without programs", async () => {
  for (const shape of [
    debianShaped(),
    alpineShaped(),
    distrolessShaped(),
    scratchShaped(),
    debianShaped({ shell: fakeProgram("i386") }),
  ])
    assert.equal(await problemOf(shape.layers), undefined);
  assert.equal(await problemOf([[executable("bin/sh", "#!/bin/other\n")]]), undefined);
  assert.equal(
    await problemOf([[link("bin", "bin"), dir("x"), link("y", "../../..")]], ["sh", "/y/y/y"]),
    undefined,
  );
});

test("the program that an image starts is found by PATH, and others by looking for them", async () => {
  const arm = fakeProgram("arm-64");
  assert.match((await problemOf([[executable("opt/bin/serve", arm)]], ["serve"])) ?? "", /\/opt\/bin\/serve/);
  assert.match((await problemOf([[executable("srv/deep/tool", arm)]])) ?? "", /\/srv\/deep\/tool/);
  // A script before it, a file that nobody executes, and one that a linker reads say nothing.
  const object = fakeProgram("arm-64");
  object.writeUInt16LE(1, 16);
  const layers = [
    [executable("a", "#!/x\n"), file("data", arm), executable("object.o", object), executable("tiny", "x")],
  ];
  assert.equal(await problemOf(layers, ["/a"]), undefined);
});

test("a program that is a sparse file is looked at as well", async () => {
  const program = fakeProgram("arm-64");
  const pax = { "GNU.sparse.map": `0,${program.length}`, "GNU.sparse.size": "100000" };
  assert.match((await problemOf([[file("bin/sh", program, { mode: 0o755, pax })]])) ?? "", /ARM 64/);
});
