import assert from "node:assert/strict";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { ImageHost } from "../support/image-host.ts";
import {
  debianTree,
  distributionTree,
  distrolessTree,
  muslTree,
  scratchTree,
} from "../support/image-trees.ts";

/* Images of every kind boot, although they lack what machines of a distribution have. */

const isLong = process.env["WRENN_TEST_LONG"] === "1";

/** Kinds of images, and where their program is. */
const kinds = [
  { reference: "scratch", probe: "/probe" },
  { reference: "musl", probe: "/probe" },
  { reference: "distribution", probe: "/usr/bin/probe" },
  ...(isLong
    ? [
        { reference: "distroless", probe: "/probe" },
        { reference: "debian", probe: "/usr/local/bin/probe" },
      ]
    : []),
] as const;

let host: ImageHost;
before(async () => {
  host = await ImageHost.start({
    scratch: scratchTree,
    musl: muslTree,
    distribution: distributionTree,
    distroless: distrolessTree,
    debian: debianTree,
  });
});
after(async () => await host[Symbol.asyncDispose]());

for (const { reference, probe } of kinds)
  test(`an image like ${reference} becomes capsules that run, pause and resume`, async () => {
    const image = await host.import(reference);
    const id = await host.capsule(image);
    const text = async (path: string): Promise<string> => (await host.run(id, [probe, "cat", path])).stdout;

    assert.deepEqual(await host.run(id, [probe, "exit", "7"]), { exitCode: 7, stdout: "" });
    assert.equal((await host.run(id, [probe, "id"])).stdout, "0:0\n");
    assert.equal((await host.run(id, [probe, "id"], { user: "4242:4343" })).stdout, "4242:4343\n");
    assert.equal((await host.run(id, [probe, "name"])).stdout, `${id}\n`);
    assert.match(await text("/etc/hosts"), /^127\.0\.0\.1\s+localhost/m);
    assert.match(await text("/etc/hosts"), new RegExp(`^127\\.0\\.1\\.1 ${id}$`, "m"));
    assert.equal(await text("/etc/hostname"), `${id}\n`);
    assert.match(await text("/etc/machine-id"), /^[0-9a-f]{32}\n$/);
    assert.match(await text("/etc/resolv.conf"), /^nameserver /);
    // The number of an account that every template of the product has another name for.
    assert.equal((await host.run(id, [probe, "id"], { user: "1000:1000" })).stdout, "1000:1000\n");

    // As a user without an account, in a directory for everyone.
    const put = [probe, "put", "/tmp/file", "of nobody"];
    assert.equal((await host.run(id, put, { user: "4242" })).exitCode, 0);
    await host.agent.pauseCapsule(id, host.signal);
    await host.agent.resumeCapsule(id, host.signal);
    assert.equal(await text("/tmp/file"), "of nobody");
    await host.agent.destroyCapsule(id, host.signal);
  });

test("the init system of an image is not started, and its shell finds its programs", async () => {
  const id = await host.capsule(await host.import("distribution"));
  const { stdout } = await host.run(id, ["bash", "-c", "ls /; cat /proc/1/cmdline; id -un 1000"]);
  assert.doesNotMatch(stdout, /systemd/);
  assert.match(stdout, /ubuntu\n$/);
  await host.agent.destroyCapsule(id, host.signal);
});

test("directories that an image has in /run are there, in memory", async () => {
  const id = await host.capsule(await host.import("musl"));
  const { stdout } = await host.run(id, ["sh", "-c", "busybox stat -c '%a %u %g' /var/run/service; df /run"]);
  assert.match(stdout, /^2770 4242 4343\n[^]*tmpfs/);
  await host.agent.destroyCapsule(id, host.signal);
});

test("capsules and templates of an image need neither the cache nor the registry, also after a restart", async () => {
  const image = await host.import("scratch");
  const { pulls } = host;
  const id = await host.capsule(image);
  await host.run(id, ["/probe", "put", "/kept", "in the capsule"]);
  const key = `snapshot-${id}`;
  await host.agent.pauseCapsule(id, host.signal);
  await host.agent.createSnapshot(id, { key, ownPrograms: false }, host.signal);
  await host.agent.resumeCapsule(id, host.signal);
  await host.restart();

  // Found by its name alone.
  const second = await host.capsule(image);
  assert.equal((await host.run(second, ["/probe", "exit", "3"])).exitCode, 3);
  await host.agent.destroyCapsule(second, host.signal);
  assert.equal(host.pulls, pulls);

  for (const kind of ["image", "frozen"]) await rm(join(host.cache, kind), { recursive: true });
  await host.restart();
  const ofSnapshot = await host.capsule({ template: key, diskMib: image.diskMib });
  for (const each of [id, ofSnapshot])
    assert.equal((await host.run(each, ["/probe", "cat", "/kept"])).stdout, "in the capsule");
  await assert.rejects(host.capsule(image), { reason: "template_not_found" });
  const again = await host.import("scratch");
  assert.deepEqual([again, host.pulls], [image, pulls + 1]);
});
