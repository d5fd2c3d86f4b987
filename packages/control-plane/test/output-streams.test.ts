import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { CapsuleProcesses, OutputEvent } from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { NativeHostAgent, LinkedNativeHostAgent } from "./support/native-host-agent.ts";
import { OutputClient } from "./support/output-client.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";

/* Output of processes over HTTP, of real processes on this machine. */

for (const [where, Agent] of [
  ["on this host", NativeHostAgent],
  ["on another host", LinkedNativeHostAgent],
] as const) {
  let platform: TestPlatform;
  let host: NativeHostAgent | LinkedNativeHostAgent;
  let id: string;
  before(async () => {
    host = await Agent.start();
    platform = await TestPlatform.start({ host });
    id = await capsuleOf(platform);
  });
  after(async () => {
    await platform[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
  });

  const start = async (script: string, more: object = {}): Promise<string> => {
    const body = { cmd: "sh", args: ["-c", script], background: true, ...more };
    const started = await platform.call("POST", `/v1/capsules/${id}/exec`, { key: platform.apiKey, body });
    assert.equal(started.status, 202, JSON.stringify(started.body));
    return String(started.body["tag"]);
  };
  const follow = async (tag: string, query = ""): Promise<OutputClient> =>
    await openOutput(platform, id, tag, query);

  test(`${where}: output comes as frames: started, both streams as bytes, the exit last`, async () => {
    using client = await follow(await start("printf 'a\\377b'; echo err >&2; exit 3", { tag: "frames" }));
    assert.equal(await client.end(), "complete");
    const [first, second] = client.frames;
    assert.deepEqual([first?.kind, second?.kind], ["started", "heartbeat"]);
    const [started] = client.json("started") as [{ readonly pid: number }];
    assert.deepEqual(started, { pid: started.pid, tag: "frames", offset: { stdout: 0, stderr: 0 } });
    assert.deepEqual(client.bytes("stdout"), Buffer.from([0x61, 0xff, 0x62]));
    assert.equal(client.text("stderr"), "err\n");
    assert.equal(client.frames.at(-1)?.kind, "exit");
    assert.deepEqual(client.json("exit"), [{ exit_code: 3 }]);
  });

  test(`${where}: a client that continues from its offsets misses nothing and gets nothing twice`, async () => {
    const tag = await start("printf 0123456789; printf abcdef >&2; read line; echo $line", { stdin: true });
    using first = await follow(tag);
    await first.until(
      "both streams",
      () => first.text("stdout").length === 10 && first.text("stderr").length === 6,
    );
    first[Symbol.dispose]();
    using rest = await follow(tag, "?from=10&from_stderr=4");
    await rest.until("the rest", () => rest.text("stderr") === "ef");
    const input = { key: platform.apiKey, body: { data: "go\n" } };
    assert.equal(
      (await platform.call("POST", `/v1/capsules/${id}/processes/${tag}/input`, input)).status,
      204,
    );
    await rest.end();
    assert.deepEqual([rest.text("stdout"), rest.text("stderr")], ["go\n", "ef"]);
    assert.deepEqual((rest.json("started") as [{ offset: unknown }])[0].offset, { stdout: 10, stderr: 4 });
  });

  test(`${where}: bytes that are not kept any longer are a frame that says which`, async () => {
    const tag = await start("head -c 3000000 /dev/zero; printf end");
    using done = await follow(tag);
    await done.end();
    using late = await follow(tag);
    await late.end();
    const [dropped] = late.json("dropped") as [
      { readonly stream: string; readonly offset: number; readonly next: number },
    ];
    assert.deepEqual([dropped.stream, dropped.offset], ["stdout", 0]);
    assert.equal(dropped.next + late.bytes("stdout").length, 3_000_003);
    assert.ok(late.text("stdout").endsWith("end"));
  });
}

/* What fails, on a host whose processes are made up. */

class FailingHost extends FakeHostAgent {
  failure: unknown;

  override processes(id: string): CapsuleProcesses {
    const processes = super.processes(id);
    const failing = (): unknown => this.failure;
    return {
      start: async (...given) => await processes.start(...given),
      list: async (...given) => await processes.list(...given),
      recent: async (...given) => await processes.recent(...given),
      find: async (...given) => {
        const process = await processes.find(...given);
        if (failing() === undefined) return process;
        const broken = async function* (): AsyncGenerator<OutputEvent> {
          yield { type: "data", stream: "stdout", offset: 0, bytes: Buffer.from("so far") };
          throw failing();
        };
        return { facts: process.facts, output: broken } as unknown as typeof process;
      },
    };
  }
}

const host = new FailingHost();
const platform = await TestPlatform.start({
  host,
  work: { sessions: { capsule: 3, team: 100, server: 100 } },
});
after(() => platform[Symbol.asyncDispose]());

async function capsuleOf(of: TestPlatform): Promise<string> {
  const made = await of.call("POST", "/v1/capsules", { key: of.apiKey, body: {} });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  return String(made.body["id"]);
}

async function openOutput(of: TestPlatform, id: string, tag: string, query = ""): Promise<OutputClient> {
  const path = `/v1/capsules/${id}/processes/${encodeURIComponent(tag)}/output${query}`;
  return await OutputClient.open(of.url + path, { "x-api-key": of.apiKey });
}

/** A capsule with a process `lasting` that says nothing. */
async function quietCapsule(): Promise<string> {
  const id = await capsuleOf(platform);
  const body = { cmd: "sleep", args: ["600"], background: true, tag: "lasting" };
  const { status } = await platform.call("POST", `/v1/capsules/${id}/exec`, { key: platform.apiKey, body });
  assert.equal(status, 202);
  return id;
}

test("a process that is not there, and offsets that are none, are ordinary refusals", async () => {
  const id = await quietCapsule();
  const ask = async (path: string) =>
    await platform.call("GET", `/v1/capsules/${id}/processes/${path}`, { key: platform.apiKey });
  assert.equal(reasonOf(await ask("nothing/output")), "process_not_found");
  for (const query of [
    "from=x",
    "from=-1",
    "from=",
    "from=now",
    "from_stderr=x",
    "from_stderr=-1",
    "form=0",
  ]) {
    const refused = await ask(`lasting/output?${query}`);
    assert.equal(refused.status, 400, query);
  }
});

test("a stream counts as a session of its capsule, together with those over WebSockets", async () => {
  const id = await quietCapsule();
  using one = await openOutput(platform, id, "lasting");
  using two = await openOutput(platform, id, "lasting");
  const three = await openOutput(platform, id, "lasting");
  const path = `/v1/capsules/${id}/processes/lasting/output`;
  const refused = await platform.call("GET", path, { key: platform.apiKey });
  assert.deepEqual([refused.status, reasonOf(refused)], [429, "too_much_under_way"]);
  three[Symbol.dispose]();
  await one.until("a free place", () => one.frames.length > 0 && two.frames.length > 0);
  let again: OutputClient | undefined;
  for (let attempt = 0; attempt < 50 && !again; attempt += 1) {
    again = await openOutput(platform, id, "lasting").catch(() => undefined);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  using last = again ?? assert.fail("the place was not given back");
  void last;
});

test("when the capsule is destroyed the last frame is the error", async () => {
  const id = await quietCapsule();
  using client = await openOutput(platform, id, "lasting", "?capsule_events=true");
  await client.until("the start", () => client.of("started").length === 1);
  assert.equal((await platform.call("DELETE", `/v1/capsules/${id}`, { key: platform.apiKey })).status, 204);
  assert.equal(await client.end(), "complete");
  assert.equal(client.frames.at(-1)?.kind, "error");
  const [{ error }] = client.json("error") as [{ readonly error: Readonly<Record<string, string>> }];
  assert.deepEqual(
    [error["code"], error["reason"], error["message"]],
    ["not_found", "capsule_destroyed", "the capsule was destroyed"],
  );
  assert.match(error["request_id"] ?? "", /^req-/);
});

test("a command that is waited for says when its capsule was destroyed", async () => {
  const id = await capsuleOf(platform);
  const body = { cmd: "sleep", args: ["600"], wait_sec: 60, tag: "waiting" };
  const answer = platform.call("POST", `/v1/capsules/${id}/exec`, { key: platform.apiKey, body });
  const known = async (): Promise<boolean> =>
    (await platform.call("GET", `/v1/capsules/${id}/processes/waiting`, { key: platform.apiKey })).status ===
    200;
  await eventually("the command runs", known);
  assert.equal((await platform.call("DELETE", `/v1/capsules/${id}`, { key: platform.apiKey })).status, 204);
  const refused = await answer;
  assert.deepEqual([refused.status, reasonOf(refused)], [404, "capsule_destroyed"]);
});

test("a pause keeps the stream open; its status is a frame for those who ask", async () => {
  const id = await quietCapsule();
  using client = await openOutput(platform, id, "lasting", "?capsule_events=true");
  using other = await openOutput(platform, id, "lasting");
  const change = async (what: string) => {
    const { status, body } = await platform.call("POST", `/v1/capsules/${id}/${what}`, {
      key: platform.apiKey,
    });
    assert.equal(status, 200, JSON.stringify(body));
  };
  await change("pause");
  const statuses = (): readonly string[] =>
    (client.json("status") as readonly { readonly status: string }[]).map(({ status }) => status);
  await client.until("the pause", () => statuses().includes("paused"));
  await change("resume");
  await client.until("the resume", () => statuses().at(-1) === "running");
  assert.equal(other.of("status").length, 0);
  assert.deepEqual([client.ended, other.ended], [undefined, undefined]);
});

test("a failure of the platform breaks the body off: the client continues, and learns more", async () => {
  const id = await quietCapsule();
  host.failure = new WrennError("host_unavailable", {});
  using client = await openOutput(platform, id, "lasting");
  assert.equal(await client.end(), "broken");
  host.failure = undefined;
  assert.deepEqual(
    new Set(client.frames.map(({ kind }) => kind)),
    new Set(["started", "heartbeat", "stdout"]),
  );
});
