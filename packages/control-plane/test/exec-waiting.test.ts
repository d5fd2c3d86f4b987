import assert from "node:assert/strict";
import { request } from "node:http";
import { readFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { LinkedNativeHostAgent, NativeHostAgent } from "./support/native-host-agent.ts";
import { OutputClient } from "./support/output-client.ts";
import { reasonOf, TestPlatform } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

/* Commands that outlive their request: `wait_sec`, and time limits in the background. Processes are real ones on this machine. */

const LIMIT = 2000;
const directory = await mkdtemp(join(tmpdir(), "wrenn-waiting-"));
after(() => rm(directory, { recursive: true }));

for (const [where, Agent] of [
  ["on this host", NativeHostAgent],
  ["on another host", LinkedNativeHostAgent],
] as const) {
  let platform: TestPlatform;
  let host: NativeHostAgent | LinkedNativeHostAgent;
  let base: string;
  before(async () => {
    host = await Agent.start();
    platform = await TestPlatform.start({ host, execOutputBytes: LIMIT });
    const made = await platform.call("POST", "/v1/capsules", { key: platform.apiKey, body: {} });
    base = `/v1/capsules/${String(made.body["id"])}`;
  });
  after(async () => {
    await platform[Symbol.asyncDispose]();
    await host[Symbol.asyncDispose]();
  });

  const run = async (script: string, more: object): Promise<Answer> =>
    await platform.call("POST", `${base}/exec`, {
      key: platform.apiKey,
      body: { cmd: "sh", args: ["-c", script], ...more },
    });
  const get = async (path: string): Promise<Answer> =>
    await platform.call("GET", `${base}/processes/${path}`, { key: platform.apiKey });
  const follow = async (tag: unknown, { stdout = 0, stderr = 0 } = {}): Promise<OutputClient> =>
    await OutputClient.open(
      `${platform.url}${base}/processes/${String(tag)}/output?from=${stdout}&from_stderr=${stderr}`,
      { "x-api-key": platform.apiKey },
    );
  const next = ({ body }: Answer) => body["next"] as { readonly stdout: number; readonly stderr: number };

  test(`${where}: a command that ends in time is answered as ever, with its pid, tag and offsets`, async () => {
    const { status, body } = await run("printf out; printf err >&2; exit 3", { wait_sec: 20, tag: "quick" });
    assert.equal(status, 200);
    const { pid, duration_ms: ms, sandbox_id: id, ...rest } = body;
    assert.deepEqual(rest, {
      cmd: "sh",
      stdout: "out",
      stderr: "err",
      exit_code: 3,
      encoding: "utf-8",
      tag: "quick",
      next: { stdout: 3, stderr: 3 },
    });
    assert.deepEqual([typeof pid, typeof ms, base.endsWith(String(id))], ["number", "number", true]);
    assert.deepEqual((await get("quick")).body["exit"], { exit_code: 3 });
  });

  test(`${where}: one that does not is answered with its output so far, and its stream continues there`, async () => {
    const answer = await run("printf begun; printf err >&2; read line; printf $line", {
      wait_sec: 0.3,
      stdin: true,
    });
    assert.equal(answer.status, 202);
    assert.deepEqual(
      [answer.body["stdout"], answer.body["stderr"], next(answer)],
      ["begun", "err", { stdout: 5, stderr: 3 }],
    );
    const tag = String(answer.body["tag"]);
    using client = await follow(tag, next(answer));
    const body = { data: "rest\n" };
    await platform.call("POST", `${base}/processes/${tag}/input`, { key: platform.apiKey, body });
    assert.equal(await client.end(), "complete");
    assert.deepEqual([client.text("stdout"), client.text("stderr")], ["rest", ""]);
    assert.deepEqual(client.json("exit"), [{ exit_code: 0 }]);
  });

  test(`${where}: one that ends just when the wait does is neither lost nor doubled`, async () => {
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        const answer = await run("printf a; sleep 0.2; printf b", { wait_sec: 0.19 + n * 0.004 });
        if (answer.status === 200) {
          assert.deepEqual([answer.body["stdout"], answer.body["exit_code"]], ["ab", 0]);
          return 200;
        }
        using client = await follow(answer.body["tag"], next(answer));
        await client.end();
        assert.equal(String(answer.body["stdout"]) + client.text("stdout"), "ab");
        assert.deepEqual(client.json("exit"), [{ exit_code: 0 }]);
        return 202;
      }),
    );
    assert.ok(outcomes.length === 12);
  });

  test(`${where}: without a wait the answer comes at once, and nothing of a flood is lost`, async () => {
    const answer = await run("head -c 5000000 /dev/zero; printf end", { wait_sec: 0 });
    assert.deepEqual(
      [answer.status, answer.body["stdout"], next(answer)],
      [202, "", { stdout: 0, stderr: 0 }],
    );
    using client = await follow(answer.body["tag"]);
    client.response.pause();
    await new Promise((resolve) => setTimeout(resolve, 200));
    client.response.resume();
    await client.end();
    assert.deepEqual([client.bytes("stdout").length, client.of("dropped").length], [5_000_003, 0]);
  });

  test(`${where}: a client that loses its answer finds all of a flood`, async () => {
    const answer = await run("head -c 3000000 /dev/zero; printf end", { wait_sec: 20 });
    const { stdout: read } = next(answer);
    assert.ok(answer.status === 202 && read >= 512 << 10 && read < 640 << 10, `${answer.status} at ${read}`);
    using client = await follow(answer.body["tag"]);
    await client.end();
    assert.deepEqual([client.bytes("stdout").length, client.of("dropped").length], [3_000_003, 0]);
  });

  test(`${where}: what an answer leaves out is said, and the stream continues behind it`, async () => {
    const whole = await run("head -c 3000 /dev/zero | tr '\\0' x", { wait_sec: 20 });
    assert.deepEqual([whole.status, whole.body["truncated"], next(whole).stdout], [200, true, 3000]);
    assert.deepEqual([String(whole.body["stdout"]).length, whole.body["stderr"]], [LIMIT, ""]);
    const begun = await run("head -c 3000 /dev/zero | tr '\\0' x; sleep 1; printf rest", { wait_sec: 0.5 });
    assert.deepEqual([begun.status, begun.body["truncated"], next(begun).stdout], [202, true, 3000]);
    using client = await follow(begun.body["tag"], next(begun));
    await client.end();
    assert.equal(client.text("stdout"), "rest");
  });

  test(`${where}: a client that leaves does not end the command, and finds it by its tag`, async () => {
    const outgoing = request(`${platform.url}${base}/exec`, {
      method: "POST",
      agent: false,
      headers: { "x-api-key": platform.apiKey, "content-type": "application/json" },
    });
    outgoing.on("error", () => undefined);
    const script = "printf one; sleep 0.5; printf two";
    outgoing.end(JSON.stringify({ cmd: "sh", args: ["-c", script], wait_sec: 60, tag: "left" }));
    await eventually("the command runs", async () => (await get("left")).status === 200);
    outgoing.destroy();
    using client = await follow("left");
    assert.equal(await client.end(), "complete");
    assert.deepEqual([client.text("stdout"), client.json("exit")], ["onetwo", [{ exit_code: 0 }]]);
  });

  test(`${where}: requests with one tag start one command, however often they arrive`, async () => {
    const file = join(directory, where.replaceAll(" ", "-"));
    const answers = await Promise.all(
      Array.from(
        { length: 5 },
        async () => await run(`echo run >> ${file}; sleep 0.3`, { wait_sec: 5, tag: "once" }),
      ),
    );
    const again = await run(`echo run >> ${file}`, { wait_sec: 5, tag: "once" });
    assert.equal(answers.filter(({ status }) => status === 200).length, 1);
    const refused = answers.filter(({ status }) => status !== 200);
    assert.deepEqual(new Set(refused.map(reasonOf)), new Set(["tag_in_use"]));
    assert.deepEqual([again.status, reasonOf(again)], [409, "tag_used"]);
    assert.equal(await readFile(file, "utf8"), "run\n");
    const background = await run("true", { background: true, tag: "once" });
    assert.equal(background.status, 202, "in the background a tag is free after the end, as ever");
  });

  test(`${where}: a time limit holds after the answer, and the end says so everywhere`, async () => {
    const begun = await run("printf begun; sleep 600", { wait_sec: 0.2, timeout_sec: 1 });
    assert.equal(begun.status, 202);
    const tag = String(begun.body["tag"]);
    assert.equal((await get(tag)).body["timeout_sec"], 1);
    using client = await follow(tag, next(begun));
    await client.end();
    const exit = { exit_code: 124, signal: 15, timed_out: true };
    assert.deepEqual(client.json("exit"), [exit]);
    assert.deepEqual((await get(tag)).body["exit"], exit);
    assert.deepEqual((await get(`${tag}/logs`)).body["exit"], exit);
  });

  test(`${where}: a time limit within the wait gives the answer of a foreground command`, async () => {
    const ended = await run("printf begun; sleep 600", { wait_sec: 20, timeout_sec: 1 });
    const { status, body } = ended;
    assert.deepEqual(
      [status, body["exit_code"], body["timed_out"], body["stdout"]],
      [200, 124, true, "begun"],
    );
  });

  test(`${where}: a time limit holds in the background; 0 is none`, async () => {
    const limited = await run("sleep 600", { background: true, timeout_sec: 1 });
    using client = await follow(limited.body["tag"]);
    await client.end();
    assert.deepEqual(client.json("exit"), [{ exit_code: 124, signal: 15, timed_out: true }]);
    const free = await run("sleep 600", { background: true, timeout_sec: 0, tag: "free" });
    assert.equal(free.status, 202);
    const { body } = await get("free");
    assert.equal(body["timeout_sec"], undefined);
    await platform.call("DELETE", `${base}/processes/free`, { key: platform.apiKey });
  });
}
