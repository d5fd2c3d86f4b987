import assert from "node:assert/strict";
import { createServer } from "node:http";
import { connect, constants } from "node:http2";
import type { AddressInfo } from "node:net";
import { after, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import type { CapsuleFiles, FileOptions } from "@wrenn/protocol";
import { abortWhenGone } from "../src/files/transfer.ts";
import { TestPlatform } from "./support/test-platform.ts";

/** A host whose file calls end only when they are aborted. */
class SlowHost extends FakeHostAgent {
  readonly running = new Set<string>();

  override files(id: string): CapsuleFiles {
    const slow = async (name: string, { signal }: FileOptions): Promise<never> => {
      this.running.add(name);
      return await new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          this.running.delete(name);
          reject(signal.reason as Error);
        });
      });
    };
    return Object.assign(Object.create(super.files(id)) as CapsuleFiles, {
      list: (_path: string, _depth: number, options: FileOptions) => slow("list", options),
      remove: (_path: string, options: FileOptions) => slow("remove", options),
      move: (_from: string, _to: string, options: FileOptions) => slow("move", options),
      copy: (_from: string, _to: string, options: FileOptions) => slow("copy", options),
      changeMode: (_path: string, _mode: number, options: FileOptions) => slow("chmod", options),
    });
  }
}

const host = new SlowHost();
const platform = await TestPlatform.start({ host });
after(() => platform[Symbol.asyncDispose]());

const http2Url = await platform.serveHttp2();
const created = await platform.call("POST", "/v1/capsules", { key: platform.apiKey, body: {} });
const capsule = String(created.body["id"]);

/** Sends a request. @returns what closes its connection, or resets its stream. */
type Send = (path: string, body: object) => () => void;

const overHttp1: Send = (path, body) => {
  const leaving = new AbortController();
  fetch(platform.url + path, {
    method: "POST",
    headers: { "x-api-key": platform.apiKey, "content-type": "application/json" },
    body: JSON.stringify(body),
    signal: leaving.signal,
  }).catch(() => undefined);
  return () => leaving.abort();
};

const overHttp2: Send = (path, body) => {
  const session = connect(http2Url).on("error", () => undefined);
  after(() => session.destroy());
  const stream = session.request({
    ":method": "POST",
    ":path": path,
    "x-api-key": platform.apiKey,
    "content-type": "application/json",
  });
  stream.on("error", () => undefined).end(JSON.stringify(body));
  return () => stream.close(constants.NGHTTP2_CANCEL);
};

const protocols = [
  ["HTTP/1.1", overHttp1],
  ["HTTP/2", overHttp2],
] as const;

for (const [protocol, send] of protocols)
  test(`a file call ends at its host when the client leaves, over ${protocol}`, async () => {
    const bodies = {
      list: { path: "/root", depth: 9 },
      remove: { path: "/root/a" },
      move: { source: "/root/a", destination: "/root/b" },
      copy: { source: "/root/a", destination: "/root/b" },
      chmod: { path: "/root/a", mode: "0755", recursive: true },
    };
    for (const [verb, body] of Object.entries(bodies)) {
      const leave = send(`/v1/capsules/${capsule}/files/${verb}`, body);
      await eventually(`${verb} runs`, () => host.running.has(verb));
      leave();
      await eventually(`${verb} no longer runs`, () => !host.running.has(verb), { timeoutMs: 5000 });
    }
  });

for (const [protocol, send] of protocols)
  test(`a foreground command ends when the client leaves, over ${protocol}`, async () => {
    const processes = host.processes(capsule);
    const running = async (): Promise<number> => (await processes.list(AbortSignal.timeout(5000))).length;
    const leave = send(`/v1/capsules/${capsule}/exec`, { cmd: "sleep", args: ["1000"] });
    await eventually("the command runs", async () => (await running()) === 1);
    leave();
    await eventually("the command has ended", async () => (await running()) === 0, { timeoutMs: 5000 });
  });

for (const graceMs of [0, 20])
  test(`the call of a client that had left before it is aborted, with a grace of ${graceMs} ms`, async () => {
    const aborted = Promise.withResolvers<unknown>();
    const server = createServer((request, response) => {
      response.once("close", () => {
        const reply = { raw: response, request: { raw: request }, elapsedTime: 0 };
        const signal = abortWhenGone(reply, graceMs);
        if (signal.aborted) aborted.resolve(signal.reason);
        else signal.addEventListener("abort", () => aborted.resolve(signal.reason));
      });
      request.socket.destroy();
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    after(() => server.close());
    await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}`).catch(() => undefined);
    assert.ok(WrennError.is(await aborted.promise, "client_left"));
  });
