import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { startTestServer } from "../support/test-server.ts";
import type { Answer } from "../support/api-caller.ts";
import type { TestServer } from "../support/test-server.ts";

let server: TestServer;
let id: string;
before(async () => {
  server = await startTestServer();
  id = await server.capsule(undefined);
});
after(() => server.close());

interface Piece {
  readonly data: string;
  readonly encoding: string;
  readonly offset: number;
  readonly next: number;
}
interface Logs {
  readonly stdout: Piece;
  readonly stderr: Piece;
  readonly exit?: { readonly exit_code: number; readonly signal?: number };
}
interface Refusal {
  readonly error: { readonly code: string; readonly reason: string };
}

async function background(body: Readonly<Record<string, unknown>>): Promise<{ pid: number; tag: string }> {
  const answer = await server.call<{ pid: number; tag: string }>("POST", `/v1/capsules/${id}/exec`, {
    background: true,
    ...body,
  });
  assert.equal(answer.status, 202, JSON.stringify(answer.body));
  return answer.body;
}

const of = <T>(method: string, selector: string | number, rest = "", body?: unknown): Promise<Answer<T>> =>
  server.call<T>(method, `/v1/capsules/${id}/processes/${selector}${rest}`, body);

async function logsOfEnded(selector: string | number): Promise<Logs> {
  const ended = async (): Promise<Logs | undefined> => {
    const { body } = await of<Logs>("GET", selector, "/logs");
    return body.exit ? body : undefined;
  };
  return await eventually(`${selector} ends`, ended, { intervalMs: 100 });
}

async function printed(selector: string, text: string): Promise<void> {
  await eventually(
    `${selector} prints ${text}`,
    async () => (await of<Logs>("GET", selector, "/logs")).body.stdout.data.includes(text),
    { intervalMs: 100 },
  );
}

test("what a background process printed can be read during and after its life", async () => {
  const { pid, tag } = await background({
    cmd: "sh",
    args: ["-c", "echo öut; echo err >&2; exit 4"],
    tag: "printer",
  });
  assert.equal(tag, "printer");
  const logs = await logsOfEnded(tag);
  assert.deepEqual(logs.stdout, { data: "öut\n", encoding: "utf-8", offset: 0, next: 5 });
  assert.equal(logs.stderr.data, "err\n");
  assert.deepEqual(logs.exit, { exit_code: 4 });
  const rest = await of<Logs>("GET", pid, "/logs?from=3&from_stderr=4");
  assert.deepEqual([rest.body.stdout.data, rest.body.stderr.data], ["t\n", ""]);
  const facts = await of<{ cmd: string; exit: { exit_code: number } }>("GET", tag);
  assert.deepEqual([facts.body.cmd, facts.body.exit.exit_code], ["sh", 4]);
});

test("a process nobody reads is never held up; the newest output stays and the gap is told", async () => {
  const { tag } = await background({
    cmd: "sh",
    args: ["-c", "yes 0123456789abcde | head -c 8M; echo; echo end"],
  });
  const logs = await logsOfEnded(tag);
  assert.equal(logs.exit?.exit_code, 0);
  assert.equal(logs.stdout.next, (8 << 20) + 5);
  assert.ok(logs.stdout.offset > 0 && logs.stdout.data.endsWith("\nend\n"));
});

test("standard input is written and closed", async () => {
  const { tag } = await background({ cmd: "sha256sum", stdin: true });
  assert.equal((await of("POST", tag, "/input", { data: "hel" })).status, 204);
  assert.equal(
    (await of("POST", tag, "/input", { data: "bG8=", encoding: "base64", close: true })).status,
    204,
  );
  const logs = await logsOfEnded(tag);
  assert.match(logs.stdout.data, /^2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824/);
  const late = await of<Refusal>("POST", tag, "/input", { data: "x" });
  assert.deepEqual([late.status, late.body.error.reason], [409, "stdin_closed"]);
});

test("signals: one to the group, one to everything, death by signal is 128 + n", async () => {
  const { tag } = await background({
    cmd: "sh",
    args: ["-c", "trap 'echo usr1' USR1; echo ready; while :; do sleep 0.1; done"],
  });
  await printed(tag, "ready");
  assert.equal((await of("POST", tag, "/signal", { signal: "SIGUSR1" })).status, 204);
  await printed(tag, "usr1");
  const wrong = await of<Refusal>("POST", tag, "/signal", { signal: "SIGNOPE" });
  assert.deepEqual([wrong.status, wrong.body.error.reason], [400, "invalid_field"]);
  assert.equal((await of("DELETE", tag)).status, 204);
  assert.deepEqual((await logsOfEnded(tag)).exit, { exit_code: 137, signal: 9 });
});

test("a killed process leaves the list at once, with everything it started", async () => {
  const { pid, tag } = await background({
    cmd: "sh",
    args: ["-c", "setsid sleep 7654 & echo ready; sleep 7654"],
  });
  await printed(tag, "ready");
  const listed = await server.call<{ processes: { pid: number }[] }>("GET", `/v1/capsules/${id}/processes`);
  assert.ok(listed.body.processes.some((process) => process.pid === pid));
  await of("DELETE", tag, "?signal=SIGTERM");
  await logsOfEnded(tag);
  const after = await server.call<{ processes: { pid: number }[] }>("GET", `/v1/capsules/${id}/processes`);
  assert.ok(!after.body.processes.some((process) => process.pid === pid));
  const { stdout } = await server.shell(id, "pgrep -f '^sleep 7654' | wc -l");
  assert.equal(stdout.trim(), "0");
});

test("unknown processes and tags in use are refused", async () => {
  for (const [method, rest] of [
    ["GET", ""],
    ["GET", "/logs"],
    ["DELETE", ""],
  ] as const) {
    const { status, body } = await of<Refusal>(method, "999999", rest);
    assert.deepEqual([status, body.error.reason], [404, "process_not_found"]);
  }
  const { tag } = await background({ cmd: "sleep", args: ["100"], tag: "mine" });
  const again = await server.call<Refusal>("POST", `/v1/capsules/${id}/exec`, {
    cmd: "true",
    background: true,
    tag,
  });
  assert.deepEqual([again.status, again.body.error.reason], [409, "tag_in_use"]);
});

test("input that a process does not read is refused with what was taken, and arrives once when it is sent again", async () => {
  const script = "until [ -e /tmp/go ]; do sleep 0.1; done; wc -c";
  const { tag } = await background({ cmd: "sh", args: ["-c", script], stdin: true, tag: "late" });
  const write = async (data: string): Promise<number> => {
    const { status, body } = await of<{ error: { reason: string; accepted: number } }>(
      "POST",
      tag,
      "/input",
      { data },
    );
    if (status === 204) return data.length;
    assert.deepEqual([status, body.error.reason], [409, "input_not_read"]);
    return body.error.accepted;
  };
  const first = await write("a".repeat(900_000));
  assert.ok(first > 0 && first < 900_000);
  await server.exec(id, "touch", ["/tmp/go"]);
  assert.equal(await write("a".repeat(900_000 - first)), 900_000 - first);
  await of("POST", tag, "/input", { data: "b", close: true });
  assert.equal((await logsOfEnded(tag)).stdout.data, "900001\n");
});
