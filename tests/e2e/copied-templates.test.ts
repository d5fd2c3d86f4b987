import assert from "node:assert/strict";
import { createHash, randomUUID } from "node:crypto";
import { chmod, mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { formatId, silentLogger, systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { Database } from "@wrenn/database";
import { TestDatabase } from "@wrenn/database/testing";
import { startControlPlane } from "@wrenn/server";
import { reservePort } from "@wrenn/system";
import { ApiCaller } from "../support/api-caller.ts";
import { TestProcess } from "../support/test-process.ts";

/* A control plane and two hosts that joined it, with real microVMs: a template that was made on one host is copied to the other. */

interface ShownCapsule {
  readonly id: string;
  readonly status: string;
  readonly problem?: string;
  readonly progress?: { readonly phase: string; readonly done_bytes: number; readonly total_bytes: number };
}

const release = new AsyncDisposableStack();
after(() => release.disposeAsync());
const hosts: string[] = [];
const directories = new Map<string, string>();
let api: ApiCaller;
let database: Database;
let root = "";

before(async () => {
  root = await mkdtemp("/tmp/wrenn-copies-");
  release.defer(() => rm(root, { recursive: true, force: true }));
  await chmod(root, 0o711);
  const files = release.use(await TestDatabase.migrated());
  database = await files.open();
  release.defer(() => database.close());
  const dataDirectory = join(root, "control-plane");
  await mkdir(dataDirectory);
  const controlPlane = await startControlPlane({
    config: {
      dataDirectory,
      cacheDirectory: process.env["WRENN_CACHE_DIR"] ?? "/var/cache/wrenn",
      host: "127.0.0.1",
      port: 0,
      domain: "localhost",
      hostNetworks: ["127.0.0.1"],
      createAnswerMs: 500,
      databaseUrl: await files.connectionUrl(),
    },
    logger: silentLogger,
    progress: () => {},
    signal: new AbortController().signal,
    times: { everyMs: 500, silentMs: 30_000, leaseMs: 4000, answerMs: 5000 },
  });
  release.defer(() => controlPlane.close("destroy"));
  api = new ApiCaller(controlPlane.url, controlPlane.apiKey ?? "");
  await Promise.all([join_("a"), join_("b")]);
});

/** Announces a host, as an administrator does, and lets it join. */
async function join_(name: string): Promise<void> {
  const { db } = database;
  const [id, token] = [randomUUID(), randomUUID()];
  await db.insertInto("hosts").values({ id, type: "regular", status: "pending" }).execute();
  const hash = createHash("sha256").update(token).digest("hex");
  const expires_at = new Date(Date.now() + 120_000);
  await db
    .insertInto("host_tokens")
    .values({ hash, host_id: id, purpose: "registration", expires_at })
    .execute();
  const dataDirectory = join(root, name);
  const script = join(import.meta.dirname, "../support/joined-host.ts");
  const port = await reservePort(systemRandom);
  const start = { dataDirectory, host: "127.0.0.1", port, url: api.url, token };
  const host = new TestProcess([process.execPath, script, JSON.stringify(start)]);
  await host.start();
  release.defer(() => host.stop());
  hosts.push(id);
  directories.set(id, dataDirectory);
}

async function hostOf(capsule: ShownCapsule): Promise<string> {
  const rows = await database.db
    .selectFrom("sandboxes")
    .select(["id", "host_id"])
    .orderBy("created_at")
    .execute();
  return rows.find(({ id }) => formatId("capsule", id) === capsule.id)?.host_id ?? assert.fail();
}

async function create(template: string): Promise<ShownCapsule> {
  const { status, body } = await api.call<ShownCapsule>("POST", "/v1/capsules", { template });
  assert.equal(status, 201, JSON.stringify(body));
  return body;
}

/** What a host has of templates that were made of capsules. */
async function templatesOn(host: string): Promise<readonly string[]> {
  return await readdir(join(directories.get(host) ?? "", "templates"));
}

test("a template that was made on one host starts on the other, is copied once, and is deleted on both", async () => {
  await eventually("a capsule can be placed", async () => {
    const answer = await api.call<ShownCapsule>("POST", "/v1/capsules", {});
    return answer.status === 201;
  });
  const [first] = (await api.call<readonly ShownCapsule[]>("GET", "/v1/capsules")).body;
  assert.ok(first);
  const origin = await hostOf(first);
  const other = hosts.find((host) => host !== origin) ?? assert.fail();
  // Its memory is part of the template: a process, and a file that was never written to the disk.
  await api.shell(first.id, "head -c 300000 /dev/urandom > /root/random; md5sum /root/random > /dev/shm/sum");
  await api.call("POST", `/v1/capsules/${first.id}/exec`, { cmd: "sleep", args: ["5555"], background: true });
  const made = await api.call("POST", "/v1/snapshots", { sandbox_id: first.id, name: "everywhere" });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  await api.call("DELETE", `/v1/capsules/${first.id}`);

  const near = await create("everywhere");
  assert.equal(await hostOf(near), origin, "a host that has the template is preferred");
  await api.call("DELETE", `/v1/capsules/${near.id}`);

  await database.db.updateTable("hosts").set({ status: "draining" }).where("id", "=", origin).execute();
  const far = await Promise.all([create("everywhere"), create("everywhere")]);
  const seen: NonNullable<ShownCapsule["progress"]>[] = [];
  await eventually(
    "both run",
    async () => {
      const shown = await Promise.all(
        far.map(async ({ id }) => (await api.call<ShownCapsule>("GET", `/v1/capsules/${id}`)).body),
      );
      for (const { status, problem, progress } of shown) {
        assert.notEqual(status, "error", String(problem));
        if (progress) seen.push(progress);
      }
      return shown.every(({ status }) => status === "running");
    },
    { timeoutMs: 120_000, intervalMs: 100 },
  );
  assert.ok(seen.length > 0, "the copy is shown while the capsules wait for it");
  for (const { phase, done_bytes: done, total_bytes: total } of seen)
    assert.ok(phase === "copying_template" && done <= total, JSON.stringify({ phase, done, total }));
  for (const capsule of far) assert.equal(await hostOf(capsule), other);
  const { stdout } = await api.shell(
    far[0].id,
    "md5sum -c /dev/shm/sum; pgrep -fx 'sleep 5555' | wc -l; touch /root/written",
  );
  assert.equal(stdout, "/root/random: OK\n1\n");
  const copies = await database.db.selectFrom("template_copies").select("host_id").execute();
  assert.deepEqual(copies, [{ host_id: other }]);
  assert.deepEqual(await templatesOn(other), await templatesOn(origin));

  const refused = await api.call("DELETE", "/v1/snapshots/everywhere");
  assert.equal(refused.status, 409, "its capsules keep it");
  for (const { id } of far) await api.call("DELETE", `/v1/capsules/${id}`);
  assert.equal((await api.call("DELETE", "/v1/snapshots/everywhere")).status, 204);
  assert.deepEqual([await templatesOn(origin), await templatesOn(other)], [[], []]);
  assert.deepEqual(await database.db.selectFrom("template_copies").selectAll().execute(), []);
});
