import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { silentLogger } from "@wrenn/core";
import { hostSources } from "@wrenn/disk-image";
import { readConfig, refreshTemplate } from "@wrenn/server";
import type { RefreshResult } from "@wrenn/server";
import { runCommand } from "@wrenn/system";
import { chosenAccelerator } from "../support/chosen-accelerator.ts";
import { makeMirror } from "../../packages/disk-image/test/support/package-mirror.ts";
import { cacheDirectory, minimalArtifacts } from "../support/real-machines.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

const isLong = process.env["WRENN_TEST_LONG"] === "1";
/** A build downloads about 60 MB and takes a processor for a minute. */
const signal = AbortSignal.timeout(40 * 60_000);
const VERSION = "99-1";

/* An image is built: with --long only. Debian's packages come from the host's sources, one newer one from a mirror that is made here. */
describe("refreshing the built-in template", { skip: !isLong, timeout: 45 * 60_000 }, () => {
  let root = "";
  let cache = "";
  let sources: readonly string[] = [];
  let server: TestServer;

  before(async () => {
    await minimalArtifacts();
    root = await mkdtemp("/tmp/wrenn-cache-");
    // The database's user and apt's pass through here.
    await chmod(root, 0o755);
    cache = join(root, "cache");
    await mkdir(cache);
    // Large files are second names.
    for (const name of await readdir(cacheDirectory))
      if (!["editions", "apt"].includes(name))
        await runCommand(["cp", "-al", join(cacheDirectory, name), cache]).catch(() => undefined);
    const newer = await makeMirror(join(root, "mirror"), [{ name: "netbase", version: VERSION }]);
    sources = [newer, ...(await hostSources("bookworm", signal))];
    server = await startTestServer({ config: { cacheDirectory: cache } });
  });
  after(async () => {
    await server.close();
    await rm(root, { recursive: true, force: true });
  });

  async function refresh(
    options: {
      readonly checkOnly?: boolean;
      readonly until?: (step: string, fraction: number) => boolean;
    } = {},
  ): Promise<RefreshResult> {
    const { checkOnly = false, until = () => false } = options;
    const abort = new AbortController();
    const config = { ...readConfig({}), accelerator: await chosenAccelerator() };
    return await refreshTemplate(
      {
        logger: silentLogger,
        progress: ({ step, fraction = 0 }) => {
          if (until(step, fraction)) abort.abort(new Error("interrupted"));
        },
      },
      {
        config: { ...config, dataDirectory: server.dataDirectory, cacheDirectory: cache },
        checkOnly,
        sources,
      },
      AbortSignal.any([signal, abort.signal]),
    );
  }

  const netbaseOf = async (id: string): Promise<string> =>
    (await server.shell(id, "dpkg-query -W -f '${Version}' netbase")).stdout;
  const verb = (id: string, name: string, body?: unknown) =>
    server.call<Record<string, unknown>>("POST", `/v1/capsules/${id}/${name}`, body);

  /** Builds in the cache that are not complete. */
  async function halfMade(): Promise<readonly string[]> {
    const names: string[] = [];
    for (const kind of await readdir(cache, { withFileTypes: true }))
      if (kind.isDirectory())
        names.push(...(await readdir(join(cache, kind.name))).filter((name) => name.includes(".building-")));
    return names;
  }

  test("new capsules have the new packages, and everything of before works on and is collected at its end", async () => {
    const paused = await server.capsule(undefined);
    const onDisk = await server.capsule(undefined);
    const old = await netbaseOf(paused);
    await server.shell(paused, "echo kept > /dev/shm/file");
    assert.equal((await verb(paused, "pause")).status, 200);
    const snapshot = { sandbox_id: paused, name: "made-before" };
    assert.equal((await server.call("POST", "/v1/snapshots", snapshot)).status, 201);
    assert.equal((await verb(onDisk, "pause", { memory: false })).status, 200);

    const checked = await refresh({ checkOnly: true });
    assert.equal(checked.outcome, "outdated");
    const expected = { name: "netbase", before: old, after: VERSION };
    assert.deepEqual(
      checked.packages.find(({ name }) => name === "netbase"),
      expected,
    );

    // Interrupted while the image is built: nothing of it is used, and nothing half-made is left.
    await assert.rejects(refresh({ until: (step) => step.startsWith("build image") }), /interrupted/);
    assert.deepEqual(await halfMade(), []);
    assert.equal(await netbaseOf(await server.capsule(undefined)), old);

    // And after it was built, before it was tried: the next refresh goes on there.
    await assert.rejects(refresh({ until: (step) => step.startsWith("boot minimal") }), /interrupted/);
    assert.deepEqual(await halfMade(), []);
    assert.equal(await netbaseOf(await server.capsule(undefined)), old);

    // A build that began here would be interrupted.
    const result = await refresh({ until: (step) => step.startsWith("build image") });
    assert.equal(result.outcome, "refreshed");
    assert.deepEqual(
      result.packages.find(({ name }) => name === "netbase"),
      expected,
    );
    assert.deepEqual(result.packages, checked.packages, "a check says what a refresh changes");
    assert.ok((result.imageBytes.after ?? 0) > 100 * 2 ** 20);
    assert.deepEqual(await halfMade(), []);

    // The server that runs takes it over, without a restart.
    let created = await server.capsule(undefined);
    for (let tries = 0; (await netbaseOf(created)) !== VERSION; tries++) {
      assert.ok(tries < 30, "the server starts capsules of the old template still");
      await delay(2000);
      created = await server.capsule(undefined);
    }

    assert.equal((await verb(paused, "resume")).status, 200);
    assert.equal((await server.shell(paused, "cat /dev/shm/file")).stdout, "kept\n");
    assert.equal(await netbaseOf(paused), old);
    assert.equal((await verb(onDisk, "resume")).status, 200);
    assert.equal(await netbaseOf(onDisk), old, "a disk alone boots");
    const modules = await server.shell(onDisk, 'test -d "/lib/modules/$(uname -r)" && echo there');
    assert.equal(modules.stdout, "there\n", "with the kernel that it has modules of");
    const fork = await verb(paused, "fork", { count: 1 });
    assert.equal(fork.status, 201, JSON.stringify(fork.body));
    const copy = await server.capsule(undefined, { template: "made-before" });
    assert.equal(await netbaseOf(copy), old);

    assert.equal((await refresh()).outcome, "current");

    const list = await server.call<{ readonly id: string }[]>("GET", "/v1/capsules");
    for (const { id } of list.body)
      assert.equal((await server.call("DELETE", `/v1/capsules/${id}`)).status, 204);
    assert.equal((await server.call("DELETE", "/v1/snapshots/made-before")).status, 204);
    await server.capsule(undefined);
    const bases = join(server.dataDirectory, "bases");
    for (let tries = 0; (await readdir(bases)).length > 1; tries++) {
      assert.ok(tries < 60, `files of the old template are left: ${(await readdir(bases)).join(" ")}`);
      await delay(1000);
    }
  });
});
