import assert from "node:assert/strict";
import { once } from "node:events";
import { connect as connectHttp2, constants } from "node:http2";
import { connect } from "node:net";
import { after, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import type { CapsuleFiles, FileOptions } from "@wrenn/protocol";
import { TestPlatform } from "./support/test-platform.ts";

/* Clients may leave as often as they like: that is no failure of the server, and must not fill its log with stacks. */

/** A host whose calls end with an error of its kind when they are aborted, as those of another machine do. */
class AbortingHost extends FakeHostAgent {
  running = 0;

  override files(id: string): CapsuleFiles {
    return Object.assign(super.files(id), {
      list: async (_path: string, _depth: number, { signal }: FileOptions): Promise<never> => {
        this.running += 1;
        await once(signal, "abort");
        this.running -= 1;
        throw new WrennError(
          "guest_unreachable",
          { problem: "the call was aborted" },
          { cause: signal.reason },
        );
      },
    });
  }
}

const host = new AbortingHost();
const platform = await TestPlatform.start({ host });
after(() => platform[Symbol.asyncDispose]());
const http2Url = await platform.serveHttp2();
const created = await platform.call("POST", "/v1/capsules", { key: platform.apiKey, body: {} });
const capsule = `/v1/capsules/${String(created.body["id"])}`;
const { hostname, port } = new URL(platform.url);

/** Sends bytes as they are. @returns what closes the connection. */
async function sendRaw(
  method: string,
  path: string,
  length: number,
  body: string,
  type = "application/json",
) {
  const socket = connect(Number(port), hostname).on("error", () => undefined);
  await once(socket, "connect");
  socket.write(
    `${method} ${path} HTTP/1.1\r\nHost: x\r\nX-API-Key: ${platform.apiKey}\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\n\r\n${body}`,
  );
  return { leave: () => void socket.resetAndDestroy() };
}

/** For what the server still does about a client that left. */
const settle = async (): Promise<void> => await platform.clock.sleep(100);
const failures = (): unknown[] =>
  platform.logged.filter(({ event, fields }) => event === "request.failed" || "cause" in fields);

test("a client that leaves its command, its file call or its unfinished body is no failure", async () => {
  const list = JSON.stringify({ path: "/root", depth: 9 });
  const exec = JSON.stringify({ cmd: "sleep", args: ["1000"] });
  const processes = host.processes(String(created.body["id"]));
  const commands = async () => (await processes.list(AbortSignal.timeout(5000))).length;
  for (const [what, method, path, length, body, type, begun] of [
    [
      "command",
      "POST",
      `${capsule}/exec`,
      exec.length,
      exec,
      undefined,
      async () => (await commands()) === 1,
    ],
    [
      "file call",
      "POST",
      `${capsule}/files/list`,
      list.length,
      list,
      undefined,
      async () => host.running === 1,
    ],
    ["unfinished JSON", "POST", `${capsule}/exec`, 500, '{"cmd":', undefined, async () => true],
    [
      "unfinished upload",
      "PUT",
      `${capsule}/files/content?path=/root/a`,
      500,
      "abc",
      "text/plain",
      async () => true,
    ],
  ] as const) {
    const client = await sendRaw(method, path, length, body, type);
    await eventually(`${what} begins`, begun);
    await settle();
    client.leave();
    await eventually(`${what} is over`, async () => host.running === 0 && (await commands()) === 0);
    await settle();
    assert.deepEqual(failures(), [], what);
  }
});

test("a client of HTTP/2 that resets its stream is no failure", async () => {
  const session = connectHttp2(http2Url).on("error", () => undefined);
  after(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": `${capsule}/files/list`,
    "x-api-key": platform.apiKey,
    "content-type": "application/json",
  });
  stream.on("error", () => undefined).end(JSON.stringify({ path: "/root", depth: 9 }));
  await eventually("the call runs", () => host.running === 1);
  stream.close(constants.NGHTTP2_CANCEL);
  await eventually("the call is over", () => host.running === 0);
  await settle();
  assert.deepEqual(failures(), []);
});

test("a failure that a waiting client is answered is logged with its cause", async () => {
  host.files = () => {
    throw new Error("broken on purpose");
  };
  const { status } = await platform.call("POST", `${capsule}/files/list`, {
    key: platform.apiKey,
    body: { path: "/root" },
  });
  assert.equal(status, 500);
  assert.match(JSON.stringify(failures()), /broken on purpose/);
});
