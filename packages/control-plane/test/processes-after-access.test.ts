import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { close, kinds, RecordingHostAgent } from "./support/long-connections.ts";
import { TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start({ host: new RecordingHostAgent() });
after(() => platform[Symbol.asyncDispose]());
const call = platform.call.bind(platform);

test("access that ends takes commands in the foreground along; terminals and detached processes continue", async () => {
  const { token } = await platform.person("someone");
  const key = (await call("POST", "/v1/api-keys", { token, body: {} })).body;
  const headers = { "x-api-key": String(key["key"]) };
  const capsule = String((await call("POST", "/v1/capsules", { token, body: {} })).body["id"]);
  const path = `/v1/capsules/${capsule}`;
  const running = async (): Promise<readonly string[]> => {
    const { body } = await call("GET", `${path}/processes`, { token });
    const all = body["processes"] as readonly { readonly cmd: string; readonly tag?: string }[];
    return all.map(({ tag }) => tag?.replace(/-.*/, "") ?? "").toSorted();
  };
  const detached = { cmd: "sleep", args: ["600"], background: true, tag: "service" };
  const started = await call("POST", `${path}/exec`, { key: headers["x-api-key"], body: detached });
  assert.equal(started.status, 202);
  const opened = await Promise.all(
    kinds
      .filter(({ name }) => ["terminal", "command", "foreground command"].includes(name))
      .map(async ({ open, ended }) => ({
        connection: await open({ url: platform.url, capsule, headers }),
        ended,
      })),
  );
  try {
    await eventually("all run", async () => (await running()).length === 4);
    assert.equal((await call("DELETE", `/v1/api-keys/${String(key["id"])}`, { token })).status, 204);
    await eventually("both commands end", async () => (await running()).length === 2);
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.deepEqual(await running(), ["pty", "service"]);
  } finally {
    close(opened);
  }
});
