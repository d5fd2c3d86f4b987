import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { after, before, test } from "node:test";
import type { CapsuleFiles } from "@wrenn/protocol";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { eventually } from "@wrenn/core/testing";
import { WebSocket } from "ws";
import { silentLogger, systemRandom } from "@wrenn/core";
import { createApp } from "../src/http/create-app.ts";
import { limitRequests } from "../src/http/limit-work.ts";
import { PendingWork, requestLimits, withTeamCount } from "../src/http/pending-work.ts";
import { runForeground } from "../src/processes/run-foreground.ts";
import { TestPlatform } from "./support/test-platform.ts";

/** A host whose guests do not answer to `stat` of /stuck, and have large answers. */
class StuckHostAgent extends FakeHostAgent {
  readonly stuck = new Set<AbortSignal>();

  override files(id: string): CapsuleFiles {
    const files = super.files(id);
    return new Proxy(files, {
      get: (target, name) => {
        if (name === "stat") return this.#stat(target);
        const member: unknown = Reflect.get(target, name);
        return typeof member === "function" ? member.bind(target) : member;
      },
    });
  }

  #stat(files: CapsuleFiles): CapsuleFiles["stat"] {
    return async (path, options) => {
      if (path !== "/stuck") return await files.stat(path, options);
      const { signal } = options;
      this.stuck.add(signal);
      return await new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          this.stuck.delete(signal);
          reject(signal.reason as Error);
        });
      });
    };
  }
}

const host = new StuckHostAgent();
let platform: TestPlatform;
const capsules: string[] = [];
before(async () => {
  platform = await TestPlatform.start({
    host,
    work: { calls: { capsule: 3, team: 5, server: 6 }, sessions: { capsule: 1, team: 2, server: 2 } },
  });
  for (let n = 0; n < 3; n++) {
    const { body } = await platform.call("POST", "/v1/capsules", { key: platform.apiKey, body: {} });
    capsules.push(String(body["id"]));
  }
});
after(() => platform[Symbol.asyncDispose]());

const stat = async (capsule: number, path: string, signal?: AbortSignal): Promise<Response> =>
  await fetch(`${platform.url}/v1/capsules/${capsules[capsule]}/files/exists`, {
    method: "POST",
    headers: { "x-api-key": platform.apiKey, "content-type": "application/json" },
    body: JSON.stringify({ path }),
    ...(signal ? { signal } : {}),
  });

/** Calls that are under way until the returned function is called. */
async function occupy(capsule: number, count: number): Promise<() => Promise<void>> {
  const expected = host.stuck.size + count;
  const gone = new AbortController();
  const calls = Array.from({ length: count }, () => stat(capsule, "/stuck", gone.signal));
  for (const call of calls) call.catch(() => {});
  await eventually("the calls have reached the host", () => host.stuck.size === expected);
  return async () => {
    const before = host.stuck.size;
    gone.abort();
    await eventually("the host hears that they are given up", () => host.stuck.size === before - count);
  };
}

test("calls under way are bounded for a capsule and for a team, and end with their clients", async () => {
  const leave = await occupy(0, 3);
  const refused = await stat(0, "/root");
  assert.equal(refused.status, 429);
  assert.equal(refused.headers.get("retry-after"), "1");
  const { error } = (await refused.json()) as { error: { reason: string; message: string } };
  assert.deepEqual(
    [error.reason, error.message],
    ["too_much_under_way", "3 requests of this capsule are under way already"],
  );
  assert.equal((await stat(1, "/root")).status, 200, "another capsule is refused");
  const leaveToo = await occupy(1, 2);
  const ofTeam = await stat(2, "/root");
  assert.equal(ofTeam.status, 429);
  assert.match(await ofTeam.text(), /5 requests of this team/);
  await leave();
  await eventually("a place is free", async () => (await stat(0, "/root")).status === 200);
  await leaveToo();
});

test("calls that guests do not answer are not bounded by those that they do", async () => {
  const leave = await occupy(0, 3);
  const { status } = await platform.call("GET", `/v1/capsules/${capsules[0]}`, { key: platform.apiKey });
  assert.equal(status, 200);
  await leave();
});

test("requests of a team that the database answers are bounded, those of another team are not refused", async () => {
  const pending = new PendingWork(withTeamCount(requestLimits, 3));
  const app = await createApp({ logger: silentLogger, random: systemRandom }, "0.0.0");
  const gate = Promise.withResolvers<void>();
  let waiting = 0;
  await app.register(async (group) => {
    group.addHook("onRequest", async (request) => {
      request.identity = { teamId: String(request.headers["x-team"]) };
    });
    limitRequests(group, pending);
    const wait = async (): Promise<object> => {
      waiting += 1;
      await gate.promise;
      return {};
    };
    group.get("/v1/capsules", wait);
    group.post("/v1/channels", wait);
    for (const route of ["/v1/capsules", "/v1/capsules/:id/fork"]) group.post(route, async () => ({}));
    for (const route of ["/v1/events", "/v1/capsules/:id/files/content"]) group.get(route, async () => ({}));
  });
  const ask = async (method: "GET" | "POST", url: string, team: string): Promise<number> =>
    (await app.inject({ method, url, headers: { "x-team": team } })).statusCode;
  try {
    const asked = [
      ask("GET", "/v1/capsules", "a"),
      ask("GET", "/v1/capsules", "a"),
      ask("POST", "/v1/channels", "a"),
    ];
    await eventually("they are under way", () => waiting === 3);
    assert.equal(await ask("GET", "/v1/capsules", "a"), 429);
    asked.push(ask("GET", "/v1/capsules", "b"));
    await eventually("the other team is admitted", () => waiting === 4);
    // What lasts, and what waits for a host, is bounded elsewhere.
    for (const [method, url] of [
      ["POST", "/v1/capsules"],
      ["POST", "/v1/capsules/x/fork"],
      ["GET", "/v1/events"],
      ["GET", "/v1/capsules/x/files/content"],
    ] as const)
      assert.equal(await ask(method, url, "a"), 200, url);
    gate.resolve();
    assert.deepEqual(await Promise.all(asked), [200, 200, 200, 200]);
    assert.equal(await ask("GET", "/v1/capsules", "a"), 200);
    await eventually("nothing is under way", () => pending.count === 0);
  } finally {
    await app.close();
  }
});

test("sessions are bounded for a capsule, and a session that ends makes room", async () => {
  const open = (): { readonly socket: WebSocket; readonly answer: Promise<string> } => {
    const url = `${platform.url.replace("http", "ws")}/v1/capsules/${capsules[0]}/files/watch?path=/`;
    const socket = new WebSocket(url, { headers: { "x-api-key": platform.apiKey } });
    const answer = once(socket, "message").then(([data]) => String(data));
    return { socket, answer };
  };
  const first = open();
  assert.match(await first.answer, /watching/);
  const second = open();
  const closed = once(second.socket, "close");
  assert.match(await second.answer, /1 requests of this capsule are under way already/);
  await closed;
  first.socket.close();
  await eventually("a place is free", async () => {
    const { socket, answer } = open();
    const isWatching = (await answer).includes("watching");
    socket.close();
    return isWatching;
  });
});

test("requests of a team for the id of another one's capsule take none of its places", async () => {
  const { token } = await platform.person("stranger");
  // Requests count from their heads on: these bodies never come. Three take the places of the stranger's team, and one is refused.
  const { hostname, port } = new URL(platform.url);
  let refused = 0;
  const calls = Array.from({ length: 4 }, () => {
    const socket = connect(Number(port), hostname);
    socket.on("data", (data: Buffer) => {
      if (data.includes("too_much_under_way")) refused += 1;
    });
    socket.write(
      `POST /v1/capsules/${capsules[0]}/files/exists HTTP/1.1\r\nHost: ${hostname}:${port}\r\n` +
        `Authorization: Bearer ${token}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{`,
    );
    return socket;
  });
  await eventually("one more than there are places is refused", () => refused === 1);
  assert.equal((await stat(0, "/root")).status, 200);
  for (const socket of calls) socket.destroy();
});

const MIB = 1 << 20;
const limits = {
  capsule: { count: 10, bytes: 4 * MIB },
  team: { count: 10, bytes: 6 * MIB },
  server: { count: 10, bytes: 8 * MIB },
};

test("memory of answers is bounded for capsule, team and server, and freed with the work", () => {
  const all = new PendingWork(limits);
  const first = all.begin("team", "a");
  assert.ok(first.reserve(3 * MIB) && first.reserve(4 * MIB) && !first.reserve(5 * MIB));
  const second = all.begin("team", "b");
  assert.ok(second.reserve(2 * MIB) && !second.reserve(3 * MIB), "the team has more than it may");
  const third = all.begin("other", "c");
  assert.ok(third.reserve(2 * MIB) && !third.reserve(3 * MIB), "the server has more than it may");
  assert.ok(third.replace(3 * MIB), "an answer that is there is refused");
  for (const work of [first, second, third]) work[Symbol.dispose]();
  first[Symbol.dispose]();
  assert.ok(!first.reserve(1), "work that has ended reserves");
  assert.equal(all.count, 0);
  assert.ok(all.begin("team", "a").reserve(4 * MIB));
});

test("a command whose output has no room is answered with what has, marked as truncated", async () => {
  const piece = new Uint8Array(65_536);
  const process = {
    facts: { pid: 1 },
    output: async function* () {
      for (let at = 0; at < 100; at++)
        yield { type: "data" as const, stream: "stdout" as const, offset: at * piece.length, bytes: piece };
      yield { type: "exit" as const, exit: { exitCode: 0 } };
    },
    kill: async () => {},
  };
  using work = new PendingWork(limits).begin("team", "a");
  const result = await runForeground(
    { start: async () => process } as never,
    { cmd: "x", args: [], envs: {}, timeoutSec: 10, work },
    platform.clock,
    AbortSignal.timeout(10_000),
  );
  assert.deepEqual([result.stdout.length, result.truncated], [4 * MIB, true]);
});
