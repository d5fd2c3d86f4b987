import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { setTimeout } from "node:timers/promises";
import { Capsule, isWrennError, Wrenn } from "@wrenn/sdk";
import type { WrennEvent } from "@wrenn/sdk";
import { eventually } from "@wrenn/core/testing";
import { tryCommand } from "@wrenn/system";
import { FaultProxy } from "../support/fault-proxy.ts";
import { ServerProcess } from "../support/server-process.ts";

let server: ServerProcess;
let proxy: FaultProxy;
let wrenn: Wrenn;
/** Where the proxy leads; the server has another port after a restart. */
const target = { host: "127.0.0.1", port: 0 };
const small = { memoryMib: 256 };

before(async () => {
  // Creates answer early, so that the SDK has to wait.
  process.env["WRENN_CREATE_WAIT"] = "0.05";
  server = await ServerProcess.start();
  target.port = Number(new URL(server.api.url).port);
  proxy = await FaultProxy.start({ target });
  wrenn = new Wrenn({ url: proxy.url, apiKey: server.api.apiKey });
});
after(async () => {
  delete process.env["WRENN_CREATE_WAIT"];
  await proxy[Symbol.asyncDispose]();
  await server.close();
});

const guest = async (capsule: Capsule, line: string): Promise<string> =>
  (await server.api.shell(capsule.id, line)).stdout.trim();

test("a capsule is created, described, changed, and destroyed when it goes out of scope", async () => {
  let id = "";
  {
    await using capsule = await Capsule.create({
      client: wrenn,
      ...small,
      name: "report",
      envs: { GREETING: "hello" },
      metadata: { stage: "test" },
      maxLifetimeMs: 3_600_000,
    });
    ({ id } = capsule);
    assert.equal(capsule.lastInfo.status, "running");
    assert.equal(await guest(capsule, "echo $GREETING"), "hello");
    const info = await capsule.info();
    assert.deepEqual([info.name, info.memoryMib, info.envNames], ["report", 256, ["GREETING"]]);
    assert.ok(Date.now() - info.createdAt.getTime() < 120_000);
    const changed = await capsule.update({ name: "final", metadata: { stage: null, owner: "ada" } });
    assert.deepEqual(
      [changed.name, changed.metadata["owner"], changed.metadata["stage"]],
      ["final", "ada", undefined],
    );
    const extended = await capsule.extend({ fromNowMs: 7_200_000 });
    assert.ok((extended.lifetimeEndsAt?.getTime() ?? 0) - Date.now() > 7_000_000);
    await capsule.ping();
    assert.equal((await wrenn.capsules.get("final")).id, id);
    assert.equal((await capsule.setNetwork({ egress: "deny" })).egress, "deny");
    assert.equal((await capsule.network()).egress, "deny");
    assert.deepEqual(await capsule.networkDecisions(), []);
    assert.equal((await wrenn.quota()).capsules.used, 1);
  }
  assert.equal((await wrenn.capsules.get(id)).lastInfo.status, "stopped");
  await assert.rejects(wrenn.capsules.connect(id), { reason: "capsule_ended" });
});

test("ten callers at once get one capsule by its name, and one of them has made it", async () => {
  const all = await Promise.all(
    Array.from({ length: 10 }, () => wrenn.capsules.getOrCreate("shared", small)),
  );
  assert.equal(new Set(all.map(({ id }) => id)).size, 1);
  assert.equal(all.filter(({ isOwned }) => isOwned).length, 1);
  const [one = assert.fail()] = all;
  await one.pause();
  assert.equal((await wrenn.capsules.getOrCreate("shared")).lastInfo.status, "running", "it was resumed");
  await one.destroy();
  await using next = await wrenn.capsules.getOrCreate("shared", small);
  assert.ok(next.isOwned && next.id !== one.id);
});

test("an abort while a capsule is being started leaves none", async () => {
  const abort = new AbortController();
  const before = await server.api.call<readonly { readonly id: string }[]>("GET", "/v1/capsules");
  const reason = new Error("enough");
  // The answer is early: what is aborted is the wait for the capsule.
  const client = new Wrenn({
    url: proxy.url,
    apiKey: server.api.apiKey,
    fetch: async (input, init) => {
      const answer = await fetch(input, init);
      if (init?.method === "GET") abort.abort(reason);
      return answer;
    },
  });
  await assert.rejects(client.capsules.create({ ...small, name: "unwanted", signal: abort.signal }), reason);
  const now = await server.api.call<readonly { readonly id: string }[]>("GET", "/v1/capsules");
  assert.equal(now.body.length, before.body.length);
  await using again = await wrenn.capsules.create({ ...small, name: "unwanted" });
  assert.equal(again.name, "unwanted", "its name is free");
});

test("a capsule is paused, forked, and taken back to a checkpoint; lists read all pages", async () => {
  await using capsule = await wrenn.capsules.create({ ...small, metadata: { suite: "forks" } });
  await guest(capsule, "echo one > /root/file");
  const checkpoint = await capsule.checkpoint("first");
  await guest(capsule, "echo two > /root/file");
  await capsule.restore(checkpoint);
  assert.equal(await guest(capsule, "cat /root/file"), "one");
  assert.ok((await capsule.checkpoints()).some(({ id, name }) => id === checkpoint.id && name === "first"));
  await capsule.deleteCheckpoint(checkpoint);

  await using children = new AsyncDisposableStack();
  for (const child of await capsule.fork(2)) children.use(child);
  const listed: string[] = [];
  for await (const { id } of wrenn.capsules.list({ metadata: { suite: "forks" }, pageSize: 1, order: "asc" }))
    listed.push(id);
  assert.equal(listed.length, 3);
  assert.equal(listed[0], capsule.id);
  assert.equal(await guest(await wrenn.capsules.get(listed[1] ?? ""), "cat /root/file"), "one");

  assert.equal((await capsule.pause()).status, "paused");
  await assert.rejects(capsule.waitUntilRunning(), { reason: "capsule_not_running" });
  await assert.rejects(capsule.pause(), (error) => isWrennError(error, "invalid_state"));
  assert.equal((await wrenn.capsules.connect(capsule.id)).lastInfo.status, "running");
  await capsule.waitUntilRunning();
});

test("a template is made of a capsule, found, started from, and deleted", async () => {
  await using capsule = await wrenn.capsules.create(small);
  await guest(capsule, "echo warm > /root/file");
  const template = await capsule.snapshot("warm:next");
  assert.equal(template.name, "warm");
  assert.deepEqual(template.tags, ["next"]);
  await wrenn.templates.setTag("warm", "default", 1);
  {
    await using copy = await wrenn.capsules.create({ template: "warm" });
    assert.equal(await guest(copy, "cat /root/file"), "warm");
    await assert.rejects(wrenn.templates.delete("warm"), { status: 409 });
  }
  const { versions, tags } = await wrenn.templates.get("warm");
  assert.deepEqual([versions.length, tags.map(({ tag }) => tag).sort()], [1, ["default", "next"]]);
  await capsule.destroy();
  await wrenn.templates.delete("warm");
  const names = new Set((await Array.fromAsync(wrenn.templates.list())).map(({ name }) => name));
  assert.ok(names.has("minimal") && !names.has("warm"));
});

test("a port is reached at its address: by the key, by a signed link until it is revoked, and by everyone once it is public", async () => {
  await using capsule = await wrenn.capsules.create(small);
  await guest(capsule, "mkdir /srv/www; echo hello > /srv/www/file");
  const serve = ["-m", "http.server", "8000", "--directory", "/srv/www"];
  await server.api.exec(capsule.id, "python3", serve, { background: true });
  const listening = await eventually("port 8000 listens", async () => {
    const { ports } = await capsule.ports();
    return ports.find(({ port }) => port === 8000);
  });
  const url = await capsule.getUrl(8000, { path: "/file" });
  assert.equal(url, `${listening.url}file`, "the server makes the same address");
  // It knows every name below localhost; resolvers of Node.js do not everywhere.
  const get = async (address: string, ...more: readonly string[]): Promise<string> =>
    (await tryCommand(["curl", "-sS", "-o", "-", "-w", " %{http_code}", ...more, address])).stdout;
  assert.match(await get(url), / 401$/);
  assert.equal(await get(url, "-H", `X-API-Key: ${server.api.apiKey}`), "hello\n 200");
  assert.equal(await get(await capsule.signedUrl(8000, { ttlMs: 60_000, path: "/file" })), "hello\n 200");
  const link = await capsule.createLink(8000, { path: "/file" });
  assert.equal(await get(link.url), "hello\n 200");
  assert.equal((await capsule.links({ port: 8000 })).length, 2);
  await capsule.revokeLink(link);
  assert.match(await get(link.url), / 401$/);
  await capsule.setPortAccess(8000, "public");
  assert.equal(await get(url), "hello\n 200");
  assert.deepEqual(
    (await capsule.portSettings()).map(({ port, access }) => [port, access]),
    [[8000, "public"]],
  );
});

test("metrics and logs arrive, and end with the capsule", async () => {
  const capsule = await wrenn.capsules.create(small);
  await guest(capsule, "echo from the console > /dev/console");
  for await (const point of capsule.metricsStream()) {
    assert.ok(point.memoryBytes > 0 && point.cpuPercent >= 0);
    break;
  }
  assert.ok(Array.isArray(await capsule.metrics("5m")));
  const stream = (async () => await Array.fromAsync(capsule.metricsStream()))();
  const messages: string[] = [];
  for await (const { message } of capsule.logs({ follow: true })) {
    if (message.includes("from the console")) {
      proxy.cutAll();
      await capsule.destroy();
    }
    messages.push(message);
  }
  assert.equal(messages.filter((message) => message.includes("from the console")).length, 1);
  await stream;
  const kept = await Array.fromAsync(capsule.logs({ source: "platform" }));
  assert.ok(kept.some(({ event }) => event === "capsule.destroyed"));
});

/** A shell in a terminal, what it has shown so far, and how it ended. */
async function openTerminal(capsule: Capsule) {
  const terminal = await capsule.pty.start({ cmd: "bash", args: ["--norc", "--noprofile"] });
  const writer = terminal.writable.getWriter();
  const decoder = new TextDecoder();
  let shown = "";
  void (async () => {
    for await (const bytes of terminal.readable) shown += decoder.decode(bytes, { stream: true });
  })().catch(() => undefined);
  return {
    type: async (text: string) => await writer.write(text),
    shown: () => shown,
    exited: terminal.exited,
  };
}

test("events, output of a command and a terminal go on over cut connections and a restart of the server", async () => {
  const capsule = await wrenn.capsules.create(small);
  const seen: WrennEvent[] = [];
  const retries: string[] = [];
  const client = new Wrenn({
    url: proxy.url,
    apiKey: server.api.apiKey,
    silenceMs: 5000,
    onRetry: ({ error }) => retries.push(error.code),
  });
  const change = async (stage: string): Promise<void> => {
    const answer = await server.api.call("PATCH", `/v1/capsules/${capsule.id}`, { name: stage });
    assert.equal(answer.status, 200);
  };
  const other = await client.capsules.get(capsule.id);
  const following = (async () => {
    for await (const event of other.events({ follow: true })) seen.push(event);
  })();
  // Connections that are cut before anything has happened must not move the beginning.
  const isOpen = () => proxy.requests.some((line) => line.includes("GET /v1/events"));
  await eventually("the stream is open", isOpen);
  // A connection that breaks before its answer has told the client where it begins has no beginning that could be kept.
  await setTimeout(500);
  proxy.cutAll();
  await change("before");
  await eventually("event 1 arrives", () => seen.length === 1);
  await proxy.refuse();
  await change("cut");
  await proxy.resume();
  await eventually("event 2 arrives", () => seen.length === 2);
  const terminal = await openTerminal(other);
  await terminal.type("echo before-$((40+2))\r");
  await eventually("the terminal answers", () => terminal.shown().includes("before-42"));
  const counting = await other.commands.run(
    "for n in $(seq 1 60); do echo line $n; sleep 0.1; done; exit 9",
    { background: true },
  );
  let output = "";
  const reading = (async () => {
    for await (const { text } of counting) output += text;
  })();
  await eventually("the command prints", () => output !== "");
  await server.kill();
  await server.start();
  target.port = Number(new URL(server.api.url).port);
  await change("restarted");
  await eventually("event 3 arrives", () => seen.length === 3);
  await terminal.type("echo after-$((40+3)); exit 4\r");
  await eventually("the terminal answers again", () => terminal.shown().includes("after-43"));
  assert.deepEqual(await terminal.exited, { exitCode: 4 });
  assert.equal(terminal.shown().split("before-42").length, 2, terminal.shown());
  await reading;
  assert.equal(output, Array.from({ length: 60 }, (_, n) => `line ${n + 1}\n`).join(""));
  assert.equal((await counting.wait()).exitCode, 9);
  await capsule.destroy();
  await following;
  assert.deepEqual(
    seen.map(({ type }) => type),
    ["capsule.updated", "capsule.updated", "capsule.updated", "capsule.destroyed"],
  );
  const ids = seen.map(({ id }) => Number(id));
  assert.deepEqual(
    ids,
    [...new Set(ids)].sort((a, b) => a - b),
  );
  assert.ok(retries.length >= 3);
  const kept = await Array.fromAsync(capsule.events({ types: ["capsule.updated"] }));
  assert.deepEqual(
    kept.map(({ id }) => Number(id)),
    ids.slice(0, 3).toReversed(),
    "the same that are kept",
  );
});
