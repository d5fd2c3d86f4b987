import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { silentLogger, systemClock, systemRandom } from "@wrenn/core";
import { buildImage, buildIndex, file, RegistryServer } from "@wrenn/oci/testing";
import type { ImportProgress } from "@wrenn/protocol";
import { registryPuller } from "../src/images/registry-puller.ts";

const signal = AbortSignal.timeout(60_000);
const root = await mkdtemp("/tmp/wrenn-puller-");
after(() => rm(root, { recursive: true, force: true }));
const deps = { clock: systemClock, random: systemRandom, logger: silentLogger };

test("an image of a registry becomes a tree and settings, with the caller's own login", async () => {
  await using registry = await RegistryServer.start({
    access: { kind: "basic", username: "reader", password: "secret" },
  });
  const image = buildImage({
    layers: [[file("hello", "first")], [file("hello", "second"), file("more", "x")]],
    compression: "gzip",
    config: {
      Env: ["A=b=c"],
      User: "4242:4343",
      WorkingDir: "/work",
      Entrypoint: ["/hello"],
      Cmd: ["word"],
      StopSignal: "SIGINT",
      ExposedPorts: { "80/tcp": {} },
      Labels: { one: "two" },
      Healthcheck: { Test: ["CMD-SHELL", "test -e /hello"], Interval: 5e9, Retries: 3 },
    },
  });
  registry.push("team/tool", image, "1");
  const config = {
    mirrors: {},
    plainHttp: [registry.host],
    privateHosts: [],
    defaultRegistry: registry.host,
  };
  const puller = registryPuller(config, deps);
  await assert.rejects(puller.find({ reference: "team/tool:1" }, signal), { reason: "image_access_denied" });
  const login = { username: "reader", password: "secret" };
  await assert.rejects(puller.find({ reference: "team/tool:2", login }, signal), {
    reason: "image_not_found",
  });

  const found = await puller.find({ reference: `${registry.host}/team/tool:1`, login }, signal);
  assert.equal(found.digest, image.manifest.digest);
  assert.ok(!registry.requests.some(({ path }) => path.includes(image.layers[0]?.digest ?? "none")));
  const seen: ImportProgress[] = [];
  const { tree, digest, settings } = await found.pull(root, (now) => seen.push(now), signal);
  assert.equal(digest, image.manifest.digest);
  assert.deepEqual((await readdir(tree)).toSorted(), ["hello", "more"]);
  assert.equal(await readFile(join(tree, "hello"), "utf8"), "second");
  assert.deepEqual(await readdir(root), ["tree"]);
  assert.deepEqual(new Set(seen.map(({ phase }) => phase)), new Set(["download", "unpack"]));
  assert.deepEqual(settings, {
    env: { A: "b=c" },
    user: "4242:4343",
    workdir: "/work",
    shell: ["/bin/sh", "-c"],
    entrypoint: ["/hello"],
    cmd: ["word"],
    stopSignal: "SIGINT",
    exposedPorts: ["80/tcp"],
    labels: { one: "two" },
    healthcheck: { argv: ["/bin/sh", "-c", "test -e /hello"], intervalMs: 5000, retries: 3 },
  });
});

test("of a list the image for this platform is meant, also by its digest; none is an error before anything is downloaded", async () => {
  await using registry = await RegistryServer.start();
  const image = buildImage({ layers: [[file("a", "own")]] });
  const arm = { image: buildImage({ layers: [[file("a", "other")]], architecture: "arm64" }) };
  const platform = { os: "linux", architecture: "arm64" };
  const own = { image, platform: { os: "linux", architecture: "amd64" } };
  registry.push("tool", buildIndex([{ ...arm, platform }, own]), "1");
  registry.push("tool", buildIndex([own]), "2");
  registry.push("arm", buildIndex([{ ...arm, platform }]), "1");
  const puller = registryPuller({ mirrors: {}, plainHttp: [], privateHosts: [registry.host] }, deps);
  const find = async (name: string) => await puller.find({ reference: `${registry.host}/${name}` }, signal);
  for (const tag of ["1", "2"]) assert.equal((await find(`tool:${tag}`)).digest, image.manifest.digest);
  await assert.rejects(find("arm:1"), { reason: "image_platform_missing", message: /linux\/arm64/ });
  assert.ok(!registry.requests.some(({ path }) => path.includes("/blobs/")));
});

test("a registry on this machine is refused unless the operator has named it", async () => {
  await using registry = await RegistryServer.start();
  registry.push("tool", buildImage({ layers: [[file("a", "b")]] }), "1");
  const reference = `${registry.host}/tool:1`;
  const refused = registryPuller(undefined, deps);
  await assert.rejects(refused.find({ reference }, signal), { reason: "registry_unreachable" });
  assert.equal(registry.requests.length, 0);
  const allowed = registryPuller({ mirrors: {}, plainHttp: [], privateHosts: [registry.host] }, deps);
  assert.match((await allowed.find({ reference }, signal)).digest, /^sha256:/);
});
