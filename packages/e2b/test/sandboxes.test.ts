import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { eventually } from "@wrenn/core/testing";
import * as current from "e2b";
import * as earlier from "e2b-2-45";
import { E2bLab } from "./support/e2b-lab.ts";

/** The two generations of clients: they create and connect by different routes. */
const clients = [
  ["e2b 2.51.0", current.Sandbox],
  ["e2b 2.45.0", earlier.Sandbox as unknown as typeof current.Sandbox],
] as const;

describe("sandboxes through the published clients", () => {
  let lab: E2bLab;
  before(async () => void (lab = await E2bLab.start()));
  after(async () => await lab[Symbol.asyncDispose]());

  for (const [name, Sandbox] of clients) {
    test(`${name} creates, describes, lists and kills a sandbox`, async () => {
      const { options } = lab;
      const sandbox = await Sandbox.create("minimal", {
        ...options,
        timeoutMs: 60_000,
        metadata: { "a key & =": "é+ %", by: name },
        envs: { MODE: "test" },
      });
      assert.match(sandbox.sandboxId, /^[0-9a-z]{25}$/);
      const info = await sandbox.getInfo();
      assert.equal(info.templateId, "minimal");
      assert.equal(info.state, "running");
      assert.deepEqual(info.metadata, { "a key & =": "é+ %", by: name });
      assert.deepEqual(info.lifecycle, { onTimeout: "kill", autoResume: false });
      assert.ok(Math.abs(info.endAt.getTime() - info.startedAt.getTime() - 60_000) < 2000);

      const other = await Sandbox.create("minimal", { ...options, metadata: { by: name } });
      const listed = await Sandbox.list({
        ...options,
        query: { metadata: { "a key & =": "é+ %" } },
      }).nextItems();
      assert.deepEqual(
        listed.filter((one) => one.metadata["by"] === name).map((one) => one.sandboxId),
        [sandbox.sandboxId],
      );
      const pages = Sandbox.list({ ...options, limit: 1, query: { metadata: { by: name } } });
      assert.deepEqual(
        [...(await pages.nextItems()), ...(await pages.nextItems())].map((one) => one.sandboxId),
        [other.sandboxId, sandbox.sandboxId],
      );
      assert.equal(pages.hasNext, false);

      assert.equal(await sandbox.kill(), true);
      assert.equal(await Sandbox.kill(sandbox.sandboxId, options), false);
      await assert.rejects(Sandbox.getInfo(sandbox.sandboxId, options), { name: "SandboxNotFoundError" });
      await other.kill();
    });

    test(`${name} moves the end of a sandbox, pauses it, and connects to it`, async () => {
      const { options } = lab;
      const sandbox = await Sandbox.create("minimal", { ...options, timeoutMs: 100_000 });
      const endsIn = async (): Promise<number> =>
        Math.round(((await sandbox.getInfo()).endAt.getTime() - Date.now()) / 1000);
      await sandbox.setTimeout(30_000);
      assert.ok(Math.abs((await endsIn()) - 30) <= 1);
      await Sandbox.connect(sandbox.sandboxId, { ...options, timeoutMs: 10_000 });
      assert.ok(Math.abs((await endsIn()) - 30) <= 1, "a connect never shortens a run");
      await Sandbox.connect(sandbox.sandboxId, { ...options, timeoutMs: 500_000 });
      assert.ok(Math.abs((await endsIn()) - 500) <= 1);

      assert.equal(await sandbox.pause(), true);
      assert.equal(await sandbox.pause(), false, "a second pause finds it paused");
      assert.equal((await sandbox.getInfo()).state, "paused");
      const paused = Sandbox.list({ ...options, query: { state: ["paused"] } });
      assert.ok((await paused.nextItems()).some((one) => one.sandboxId === sandbox.sandboxId));
      await assert.rejects(sandbox.setTimeout(1000), { name: "SandboxNotFoundError" });
      const token = (sandbox as unknown as { envdAccessToken: string }).envdAccessToken;
      const again = await Promise.all(
        [20_000, 60_000, 40_000].map(
          async (timeoutMs) => await Sandbox.connect(sandbox.sandboxId, { ...options, timeoutMs }),
        ),
      );
      assert.deepEqual(
        again.map((one) => (one as unknown as { envdAccessToken: string }).envdAccessToken),
        [token, token, token],
      );
      assert.ok(Math.abs((await endsIn()) - 60) <= 1, "the longest of concurrent connects counts");
      await sandbox.kill();
      await assert.rejects(Sandbox.connect(sandbox.sandboxId, options), { name: "SandboxNotFoundError" });
    });
  }

  test("a client that leaves, or a server that closes, ends a wait, and what had begun is carried out", async (t) => {
    const { options, host } = lab;
    const sandbox = await current.Sandbox.create("minimal", { ...options, timeoutMs: 100_000 });
    const id = sandbox.sandboxId;
    const endBefore = (await sandbox.getInfo()).endAt;
    const state = host.capsule.bind(host);
    const looks = t.mock.method(host, "capsule", async (name: string) => ({
      ...(await state(name)),
      state: "pausing" as const,
    }));
    const post = async (path: string, signal?: AbortSignal) => {
      const headers = { "x-api-key": lab.apiKey, "content-type": "application/json" };
      const init = { method: "POST", headers, body: '{"timeout": 500}', ...(signal && { signal }) };
      return await fetch(`${lab.url}/sandboxes/${id}/${path}`, init);
    };

    const leaving = new AbortController();
    const left = post("connect", leaving.signal);
    left.catch(() => undefined);
    await eventually("the connect waits for the pause", () => looks.mock.callCount() > 2);
    leaving.abort();
    await assert.rejects(left);
    await eventually("its wait ends", async () => {
      const before = looks.mock.callCount();
      await delay(250);
      return looks.mock.callCount() === before;
    });
    looks.mock.restore();
    assert.deepEqual((await sandbox.getInfo()).endAt, endBefore, "nothing is left of it");

    // A pause goes on without its client.
    const gate = Promise.withResolvers<void>();
    const pauseCapsule = host.pauseCapsule.bind(host);
    const pauses = t.mock.method(host, "pauseCapsule", async (name: string, signal?: AbortSignal) => {
      await gate.promise;
      return await pauseCapsule(name, signal);
    });
    const impatient = new AbortController();
    const paused = post("pause", impatient.signal);
    paused.catch(() => undefined);
    await eventually("the pause has begun", () => pauses.mock.callCount() === 1);
    impatient.abort();
    await assert.rejects(paused);
    gate.resolve();
    const stateOf = async () => (await sandbox.getInfo()).state;
    await eventually("it is paused", async () => (await stateOf()) === "paused");

    // So does a resume, which others share.
    const resuming = Promise.withResolvers<void>();
    const resumeCapsule = host.resumeCapsule.bind(host);
    const resumes = t.mock.method(host, "resumeCapsule", async (name: string, signal?: AbortSignal) => {
      await resuming.promise;
      return await resumeCapsule(name, signal);
    });
    const first = new AbortController();
    const begun = post("connect", first.signal);
    begun.catch(() => undefined);
    await eventually("the resume has begun", () => resumes.mock.callCount() === 1);
    const second = new AbortController();
    const sharing = [post("connect"), post("connect", second.signal)] as const;
    sharing[1].catch(() => undefined);
    await delay(100);
    first.abort();
    second.abort();
    await Promise.all([assert.rejects(begun), assert.rejects(sharing[1])]);
    resuming.resolve();
    assert.equal((await sharing[0]).status, 201);
    assert.equal(await stateOf(), "running");

    const again = t.mock.method(host, "capsule", async (name: string) => ({
      ...(await state(name)),
      state: "pausing" as const,
    }));
    const waiting = post("connect");
    await eventually("the connect waits", () => again.mock.callCount() > 2);
    const closed = lab.controlPlane.close();
    const refused = await waiting;
    assert.equal(refused.status, 503);
    assert.equal(((await refused.json()) as { readonly error_code: string }).error_code, "server_closing");
    await closed;
  });
});
