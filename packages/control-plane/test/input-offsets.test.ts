import assert from "node:assert/strict";
import { request } from "node:http";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { LinkedNativeHostAgent, NativeHostAgent } from "./support/native-host-agent.ts";
import { OutputClient } from "./support/output-client.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

/* Input with its place in the whole: a request that is repeated writes nothing twice. Processes are real ones on this machine. */

for (const [where, Agent] of [
  ["on this host", NativeHostAgent],
  ["on another host", LinkedNativeHostAgent],
] as const) {
  let platform: TestPlatform;
  let host: NativeHostAgent | LinkedNativeHostAgent;
  let base: string;
  before(async () => {
    host = await Agent.start();
    platform = await TestPlatform.start({ host });
    const made = await platform.call("POST", "/v1/capsules", { key: platform.apiKey, body: {} });
    base = `/v1/capsules/${String(made.body["id"])}`;
  });
  after(async () => {
    await platform[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
  });

  const start = async (tag: string, script: string): Promise<void> => {
    const body = { cmd: "sh", args: ["-c", script], wait_sec: 0, stdin: true, tag };
    const { status } = await platform.call("POST", `${base}/exec`, { key: platform.apiKey, body });
    assert.equal(status, 202);
  };
  const write = async (tag: string, body: object): Promise<Answer> =>
    await platform.call("POST", `${base}/processes/${tag}/input`, { key: platform.apiKey, body });
  const output = async (tag: string): Promise<OutputClient> =>
    await OutputClient.open(`${platform.url}${base}/processes/${tag}/output`, {
      "x-api-key": platform.apiKey,
    });
  const facts = async (tag: string) =>
    (await platform.call("GET", `${base}/processes/${tag}`, { key: platform.apiKey })).body;

  test(`${where}: repeated and overlapping input is taken once`, async () => {
    await start("cat", "cat");
    for (const [body, end] of [
      [{ data: "hello ", offset: 0 }, "6"],
      [{ data: "hello ", offset: 0 }, "6"],
      [{ data: "lo world", offset: 3 }, "11"],
      [{ data: "", offset: 11 }, "11"],
      [{ data: Buffer.from("\xff!", "latin1").toString("base64"), encoding: "base64", offset: 11 }, "13"],
      [{ data: "x".repeat(600_000), offset: 13 }, "600013"],
      [{ data: "x".repeat(600_000), offset: 13 }, "600013"],
      [{ data: "end", offset: 600_013, close: true }, "600016"],
    ] as const) {
      const { status, headers } = await write("cat", body);
      assert.deepEqual([status, headers.get("input-offset")], [204, end]);
    }
    using client = await output("cat");
    await client.end();
    const expected = Buffer.from(`hello world\xff!${"x".repeat(600_000)}end`, "latin1");
    assert.ok(client.bytes("stdout").equals(expected));
  });

  test(`${where}: input behind bytes that are missing is refused with where it continues`, async () => {
    await start("gap", "cat");
    assert.equal(
      (await write("gap", { data: "abc" })).headers.get("input-offset"),
      null,
      "as ever without an offset",
    );
    const refused = await write("gap", { data: "e", offset: 4, close: true });
    assert.deepEqual([refused.status, reasonOf(refused)], [409, "input_offset_differs"]);
    const { error } = refused.body as { readonly error: { readonly expected: number } };
    assert.equal(error.expected, 3);
    assert.equal((await facts("gap"))["input_offset"], 3);
    assert.equal((await write("gap", { data: "d", offset: 3, close: true })).status, 204);
    using client = await output("gap");
    await client.end();
    assert.equal(client.text("stdout"), "abcd", "a refused request closes nothing");
  });

  test(`${where}: the last input and its close can be repeated, also after the exit`, async () => {
    await start("last", "cat; sleep 0.4");
    const last = { data: "all", offset: 0, close: true };
    for (let attempt = 0; attempt < 3; attempt += 1) assert.equal((await write("last", last)).status, 204);
    assert.equal(reasonOf(await write("last", { data: "more", offset: 3 })), "stdin_closed");
    using client = await output("last");
    await client.end();
    assert.equal(client.text("stdout"), "all");
    assert.equal((await write("last", last)).status, 204, "it was carried out");
    assert.equal((await facts("last"))["input_offset"], 3);
    assert.equal(reasonOf(await write("last", { data: "more", offset: 3 })), "stdin_closed");
  });

  test(`${where}: a request that breaks while the process does not read is continued exactly`, async () => {
    await start("slow", "read line; sleep 0.3; cat");
    const data = `go\n${Array.from({ length: 60_000 }, (_, n) => `line ${n}\n`).join("")}`;
    const body = { data, offset: 0, close: true };
    for (let attempt = 0; attempt < 3; attempt += 1) {
      const outgoing = request(`${platform.url}${base}/processes/slow/input`, {
        method: "POST",
        agent: false,
        headers: { "x-api-key": platform.apiKey, "content-type": "application/json" },
      });
      outgoing.on("error", () => undefined);
      outgoing.end(JSON.stringify(body));
      await eventually("some of it is taken", async () => Number((await facts("slow"))["input_offset"]) > 0);
      outgoing.destroy();
    }
    using client = await output("slow");
    assert.equal((await write("slow", body)).status, 204);
    await client.end();
    assert.ok(client.text("stdout") === data.slice(3), `${client.bytes("stdout").length} bytes`);
  });
}
