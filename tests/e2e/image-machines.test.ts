import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { ImageHost } from "../support/image-host.ts";
import { distributionTree, distrolessTree, muslTree, scratchTree } from "../support/image-trees.ts";

/* Images of every kind boot, although they lack what machines of a distribution have. */

let host: ImageHost;
before(async () => {
  host = await ImageHost.start({
    scratch: scratchTree,
    musl: muslTree,
    distroless: distrolessTree,
    distribution: distributionTree,
  });
});
after(async () => await host[Symbol.asyncDispose]());

for (const [reference, probe] of [
  ["scratch", "/probe"],
  ["musl", "/probe"],
  ["distroless", "/probe"],
  ["distribution", "/usr/bin/probe"],
] as const)
  test(`an image like ${reference} becomes capsules that run, pause and resume`, async () => {
    const image = await host.import(reference);
    const id = await host.capsule(image);
    const text = async (path: string): Promise<string> => (await host.run(id, [probe, "cat", path])).stdout;

    assert.deepEqual(await host.run(id, [probe, "exit", "7"]), { exitCode: 7, stdout: "" });
    assert.equal((await host.run(id, [probe, "id"])).stdout, "0:0\n");
    assert.equal((await host.run(id, [probe, "id"], { user: "4242:4343" })).stdout, "4242:4343\n");
    assert.equal((await host.run(id, [probe, "name"])).stdout, `${id}\n`);
    assert.match(await text("/etc/hosts"), new RegExp(`localhost[^]*^127\\.0\\.1\\.1 ${id}$`, "m"));
    assert.equal(await text("/etc/hostname"), `${id}\n`);
    assert.match(await text("/etc/machine-id"), /^[0-9a-f]{32}\n$/);
    assert.match(await text("/etc/resolv.conf"), /^nameserver /);

    // As a user without an account, in a directory for everyone.
    const put = [probe, "put", "/tmp/file", "of nobody"];
    assert.equal((await host.run(id, put, { user: "4242" })).exitCode, 0);
    await host.agent.pauseCapsule(id, host.signal);
    await host.agent.resumeCapsule(id, host.signal);
    assert.equal(await text("/tmp/file"), "of nobody");
    await host.agent.destroyCapsule(id, host.signal);
  });
