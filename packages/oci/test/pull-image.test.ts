import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { applyLayers, openRegistry, parseReference, pullImage } from "@wrenn/oci";
import type { ImageProgress, PulledImage, RegistrySettings } from "@wrenn/oci";
import { blobOf, buildImage, buildIndex, describe } from "./support/built-image.ts";
import type { BuiltImage } from "./support/built-image.ts";
import { alpineShaped, debianShaped, distrolessShaped, scratchShaped } from "./support/image-shapes.ts";
import { listTree } from "./support/list-tree.ts";
import { RegistryServer } from "./support/registry-server.ts";
import { ScratchDirectory } from "./support/scratch-directory.ts";
import { dir, file } from "./support/tar-builder.ts";

const signal = new AbortController().signal;
const platform = { os: "linux", architecture: "amd64" };

async function pull(
  registry: RegistryServer,
  directory: ScratchDirectory,
  name = "app:v1",
  settings: RegistrySettings = {},
): Promise<PulledImage> {
  const source = openRegistry(settings).image(parseReference(`${registry.host}/${name}`));
  return await pullImage(source, { platform, directory: directory.path, signal });
}

for (const compression of ["none", "gzip", "zstd"] as const)
  for (const docker of [false, true])
    test(`an image is pulled with layers of compression ${compression}, ${docker ? "as Docker" : "OCI"}`, async () => {
      await using registry = await RegistryServer.start();
      await using directory = await ScratchDirectory.create();
      const image = buildImage({ ...debianShaped(), compression, docker });
      registry.push("team/app", image, "v1");
      const pulled = await pull(registry, directory, "team/app:v1");
      assert.equal(pulled.digest, image.manifest.digest);
      assert.equal(pulled.name, `${registry.host}/team/app:v1`);
      assert.deepEqual(pulled.config.env, { PATH: "/usr/local/bin:/usr/bin:/bin", LANG: "C.UTF-8" });
      assert.equal(pulled.config.workdir, "/app");
      for (const [at, { path }] of pulled.layers.entries())
        assert.ok(image.layers[at]?.bytes.equals(await readFile(path)));
      const written = await applyLayers(pulled.layers, {
        ...directory.places,
        signal,
        architecture: { architecture: "amd64", programs: pulled.config.cmd, path: pulled.config.env["PATH"] },
      });
      const listed = await listTree(directory.tree);
      assert.ok(listed.includes('usr/bin/tool file 755 0:0 "#!/bin/sh\\n"'), listed.join("\n"));
      assert.ok(listed.includes("usr/bin/sh = usr/bin/dash") && listed.includes("bin link usr/bin"));
      assert.ok(listed.includes("tmp directory 1777 0:0"));
      assert.ok(!listed.some((line) => line.startsWith("dev/")), "devices are left out");
      assert.equal(written.inodes, listed.length, "and the root, less a second name");
    });

test("images of other shapes are pulled: Alpine's, distroless, scratch", async () => {
  await using registry = await RegistryServer.start();
  for (const recipe of [alpineShaped(), distrolessShaped(), scratchShaped()]) {
    await using directory = await ScratchDirectory.create();
    registry.push("app", buildImage(recipe), "v1");
    const { config, layers } = await pull(registry, directory);
    await applyLayers(layers, {
      ...directory.places,
      signal,
      architecture: {
        architecture: "amd64",
        programs: [...config.entrypoint, ...config.cmd],
        path: undefined,
      },
    });
    assert.ok((await listTree(directory.tree)).length > 0);
  }
});

test("a list of images has the one for the platform, also in a list of lists", async () => {
  const [arm, amd, v3] = (["arm64", "amd64", "amd64"] as const).map((architecture, at) =>
    buildImage({ layers: [[file("which", String(at))]], architecture }),
  ) as [BuiltImage, BuiltImage, BuiltImage];
  for (const docker of [false, true]) {
    await using registry = await RegistryServer.start();
    await using directory = await ScratchDirectory.create();
    const index = buildIndex(
      [
        { image: arm, platform: { os: "linux", architecture: "arm64", variant: "v8" } },
        { image: v3, platform: { os: "linux", architecture: "amd64", variant: "v3" } },
        { image: amd, platform: { os: "linux", architecture: "amd64" } },
        { image: arm, platform: { os: "unknown", architecture: "unknown" } },
      ],
      { docker },
    );
    registry.push(
      "app",
      docker
        ? index
        : {
            ...buildIndex([{ image: index }]),
            blobs: [...buildIndex([{ image: index }]).blobs, ...index.blobs],
          },
      "v1",
    );
    const pulled = await pull(registry, directory);
    assert.equal(pulled.digest, amd.manifest.digest);
    assert.deepEqual(
      registry.requests.filter(({ path }) => path.includes("/blobs/")).length,
      2,
      "one configuration and one layer",
    );
  }
});

test("a platform that is missing is refused before the download, with those there are", async () => {
  await using registry = await RegistryServer.start();
  await using directory = await ScratchDirectory.create();
  const arm = buildImage({ layers: [[file("a", "1")]], architecture: "arm64" });
  registry.push(
    "app",
    buildIndex([
      { image: arm, platform: { os: "linux", architecture: "arm64", variant: "v8" } },
      { image: arm, platform: { os: "windows", architecture: "amd64" } },
      { image: arm, platform: { os: "unknown", architecture: "unknown" } },
    ]),
    "v1",
  );
  registry.push("single", arm, "v1");
  await assert.rejects(pull(registry, directory), (error) => {
    assert.ok(WrennError.is(error, "image_platform_missing"));
    assert.ok(
      error.message.endsWith(
        "is not available for linux/amd64; it is available for linux/arm64/v8, windows/amd64",
      ),
    );
    return true;
  });
  assert.ok(registry.requests.every(({ path }) => path.includes("/manifests/")));
  await assert.rejects(pull(registry, directory, "single:v1"), (error) => {
    assert.ok(WrennError.is(error, "image_platform_missing"));
    assert.ok(error.message.endsWith("it is available for linux/arm64"), error.message);
    return true;
  });
  assert.ok(!registry.requests.some(({ path }) => path.includes(arm.layers[0]?.digest ?? "-")));
});

test("an image is pulled by its digest, whatever its tag is by then", async () => {
  await using registry = await RegistryServer.start();
  await using directory = await ScratchDirectory.create();
  const first = buildImage({ layers: [[file("a", "1")]] });
  const second = buildImage({ layers: [[file("a", "2")]] });
  registry.push("app", first, "v1");
  registry.push("app", second, "v1");
  const pulled = await pull(registry, directory, `app:v1@${first.manifest.digest}`);
  assert.equal(pulled.digest, first.manifest.digest);
});

test("a layer that an image has twice is downloaded once, and applied twice", async () => {
  await using registry = await RegistryServer.start();
  await using directory = await ScratchDirectory.create();
  const layer = [dir("d"), file("d/a", "1")];
  const image = buildImage({ layers: [layer, [file("d", "2")], layer] });
  registry.push("app", image, "v1");
  const { layers } = await pull(registry, directory);
  assert.equal(layers[0]?.path, layers[2]?.path);
  assert.equal(
    registry.requests.filter(({ path }) => path.endsWith(image.layers[0]?.digest ?? "-")).length,
    1,
  );
  await applyLayers(layers, { ...directory.places, signal });
  assert.deepEqual(await listTree(directory.tree), ["d directory 755 0:0", 'd/a file 644 0:0 "1"']);
});

test("progress grows to the whole, also where a download begins again", async () => {
  await using registry = await RegistryServer.start();
  await using directory = await ScratchDirectory.create();
  const image = buildImage({ layers: [[file("a", Buffer.alloc(400_000, 1))]], compression: "none" });
  registry.push("app", image, "v1");
  const layer = image.layers[0]?.digest ?? "-";
  registry.fail({ path: layer, fault: { kind: "dies", after: 200_000 } });
  registry.fail({ path: layer, fault: { kind: "ignores-range" } });
  const seen: ImageProgress[] = [];
  const source = openRegistry({ limits: { backoffMs: 1 } }).image(parseReference(`${registry.host}/app:v1`));
  const progress = (one: ImageProgress): number => seen.push(one);
  const { layers } = await pullImage(source, { platform, directory: directory.path, signal, progress });
  await applyLayers(layers, { ...directory.places, signal, progress });
  const size = image.layers[0]?.bytes.length ?? 0;
  const last = (step: ImageProgress["step"]): ImageProgress | undefined =>
    seen.findLast((one) => one.step === step);
  assert.deepEqual(last("download"), { step: "download", done: size, total: size });
  assert.deepEqual(last("unpack"), { step: "unpack", done: size, total: size });
  assert.deepEqual(last("write"), { step: "write", done: 400_000, total: 400_000 });
  assert.ok(seen.every(({ done, total }) => done >= 0 && done <= total));
});

test("what is no image of files is refused by its kind", async () => {
  const image = buildImage({ layers: [[file("a", "1")]] });
  const manifest = JSON.parse(image.manifest.bytes.toString()) as {
    layers: { mediaType: string }[];
    config: { mediaType: string };
  };
  const withLayer = (mediaType: string): object => ({
    ...manifest,
    layers: manifest.layers.map((one) => ({ ...one, mediaType })),
  });
  const cases: readonly (readonly [mediaType: string, content: object, problem: RegExp])[] = [
    [
      image.manifest.mediaType,
      withLayer("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"),
      /not distributable/,
    ],
    [
      image.manifest.mediaType,
      withLayer("application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"),
      /not distributable/,
    ],
    [
      image.manifest.mediaType,
      withLayer("application/vnd.oci.image.layer.v1.tar+gzip+encrypted"),
      /encrypted/,
    ],
    [image.manifest.mediaType, withLayer("application/vnd.wasm.content.layer.v1+wasm"), /unknown type/],
    [
      image.manifest.mediaType,
      { ...manifest, config: { ...manifest.config, mediaType: "application/vnd.cncf.helm.config.v1+json" } },
      /artifact/,
    ],
    [
      "application/vnd.docker.distribution.manifest.v1+prettyjws",
      { schemaVersion: 1, mediaType: "application/vnd.docker.distribution.manifest.v1+prettyjws" },
      /schema 1/,
    ],
    [image.manifest.mediaType, { ...manifest, layers: "none" }, /layers is not a list/],
    [image.manifest.mediaType, { ...manifest, manifests: [] }, /has manifests/],
    [image.manifest.mediaType, { ...manifest, layers: [] }, /has 0 layers, and its configuration 1/],
  ];
  for (const [mediaType, content, problem] of cases) {
    await using registry = await RegistryServer.start();
    await using directory = await ScratchDirectory.create();
    const changed = blobOf(mediaType, content);
    registry.push("app", { ...image, manifest: changed, blobs: [...image.blobs, changed] }, "v1");
    await assert.rejects(pull(registry, directory), (error) => {
      assert.ok(WrennError.is(error, "image_unsupported"), String(error));
      assert.match(error.message, problem);
      return true;
    });
  }
});

test("images that are too large are refused before their layers are asked for", async () => {
  await using registry = await RegistryServer.start();
  await using directory = await ScratchDirectory.create();
  const image = buildImage({ layers: [[file("a", "1")], [file("b", "1")]] });
  registry.push("app", image, "v1");
  const source = (): ReturnType<ReturnType<typeof openRegistry>["image"]> =>
    openRegistry().image(parseReference(`${registry.host}/app:v1`));
  for (const limits of [{ layers: 1 }, { downloadBytes: 10 }])
    await assert.rejects(
      pullImage(source(), { platform, directory: directory.path, signal, limits }),
      (error) => WrennError.is(error, "image_too_large"),
    );
  const large = blobOf(image.manifest.mediaType, {
    ...describe(image.manifest),
    filler: "x".repeat(5 * 2 ** 20),
  });
  registry.push("large", { ...image, manifest: large, blobs: [large] }, "v1");
  await assert.rejects(pull(registry, directory, "large:v1"), (error) =>
    WrennError.is(error, "image_too_large"),
  );
  assert.ok(!registry.requests.some(({ path }) => image.layers.some(({ digest }) => path.endsWith(digest))));
});
