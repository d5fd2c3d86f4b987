import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { CommandExitError, Sandbox, TimeoutError } from "e2b";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Many things at a time through the published client: streams over a pause and an end, creates, connects, directories, large files. */

const isLong = process.env["WRENN_TEST_LONG"] === "1";
const PARALLEL_CREATES = isLong ? 20 : 4;
const BUSY_DIRECTORIES = isLong ? 300 : 60;
const LARGE_BYTES = 1 << 30;
const PIECE = Buffer.alloc(1 << 20, "wrenn");

let server: TestServer;
let sandbox: Sandbox;
const options = () => ({ apiKey: server.apiKey, apiUrl: server.url, sandboxUrl: server.url });

before(async () => {
  server = await startTestServer();
  sandbox = await Sandbox.create("minimal", { ...options(), timeoutMs: 1_800_000 });
});
after(() => server.close());

test("a command, a terminal and a watch go on after a pause", async () => {
  let shown = "";
  const seen = new Set<string>();
  const counting = await sandbox.commands.run("for i in 1 2 3; do echo $i; sleep 1; done", {
    background: true,
  });
  const terminal = await sandbox.pty.create({
    cols: 80,
    rows: 24,
    onData: (data) => void (shown += Buffer.from(data).toString()),
  });
  await sandbox.files.makeDir("watched");
  const watch = await sandbox.files.watchDir("watched", ({ name }) => void seen.add(name));
  await sandbox.pause();
  await sleep(1500);
  assert.deepEqual([counting.stdout.includes("3"), seen.size], [false, 0]);
  // The latest end of connects at the same time counts, and one resume is enough for all.
  const ends = [600_000, 1_800_000, 900_000];
  await Promise.all(
    ends.map(async (timeoutMs) => await Sandbox.connect(sandbox.sandboxId, { ...options(), timeoutMs })),
  );
  const { endAt } = await sandbox.getInfo();
  assert.ok(Math.abs(endAt.getTime() - Date.now() - 1_800_000) < 30_000, endAt.toISOString());
  const { body } = await server.call<{ data: { status?: string; previous?: string } }[]>(
    "GET",
    `/v1/events/history?capsule=cl-${sandbox.sandboxId}`,
  );
  const resumes = body.filter(({ data }) => data.status === "running" && data.previous === "paused");
  assert.equal(resumes.length, 1);

  assert.equal((await counting.wait()).stdout, "1\n2\n3\n");
  await sandbox.pty.resize(terminal.pid, { cols: 111, rows: 37 });
  await sandbox.pty.sendInput(terminal.pid, Buffer.from("touch watched/after; stty size; exit 3\n"));
  await assert.rejects(
    terminal.wait(),
    (error: unknown) => error instanceof CommandExitError && error.exitCode === 3,
  );
  assert.match(shown, /37 111/);
  await eventually("the file is seen", async () => seen.has("after"));
  await watch.stop();
});

test("every change of a busy directory is seen", async () => {
  const names = new Set<string>();
  await sandbox.files.makeDir("busy");
  const watch = await sandbox.files.watchDir("busy", ({ name }) => void names.add(name), { recursive: true });
  const count = String(BUSY_DIRECTORIES);
  await sandbox.commands.run(`cd busy; for i in $(seq ${count}); do mkdir d$i; echo $i > d$i/f; done`, {
    timeoutMs: 0,
  });
  const expected = Array.from({ length: BUSY_DIRECTORIES }, (_, index) => `d${index + 1}/f`);
  await eventually("every file was seen", async () => expected.every((name) => names.has(name)), {
    timeoutMs: 60_000,
  });
  await watch.stop();
});

test(`${PARALLEL_CREATES} sandboxes are created at a time, and killed with streams open`, async () => {
  const created = await Promise.all(
    Array.from(
      { length: PARALLEL_CREATES },
      async () => await Sandbox.create("minimal", { ...options(), timeoutMs: 600_000 }),
    ),
  );
  assert.equal(new Set(created.map(({ sandboxId }) => sandboxId)).size, PARALLEL_CREATES);
  const running = await Promise.all(
    created.map(async (one) => await one.commands.run("id -un; sleep 600", { background: true })),
  );
  const ended = running.map((handle) => handle.wait().catch((error: unknown) => error));
  await eventually("all have begun", async () => running.every(({ stdout }) => stdout === "user\n"), {
    timeoutMs: 60_000,
  });
  assert.ok((await Promise.all(created.map(async (one) => await one.kill()))).every(Boolean));
  for (const error of await Promise.all(ended)) {
    assert.ok(error instanceof TimeoutError, String(error));
    assert.match(error.message, /killed or reached its end of life/);
  }
});

test("1 GiB is uploaded and downloaded", { skip: !isLong }, async () => {
  const pieces = LARGE_BYTES / PIECE.length;
  const expected = createHash("sha256");
  for (let piece = 0; piece < pieces; piece++) expected.update(PIECE);
  const sum = expected.digest("hex");
  const body = Readable.toWeb(Readable.from(piecesOf(pieces))) as ReadableStream<Uint8Array>;
  await sandbox.files.write("large.bin", body, { requestTimeoutMs: 0 });
  const { stdout } = await sandbox.commands.run("sha256sum large.bin", { timeoutMs: 0 });
  assert.equal(stdout, `${sum}  large.bin\n`);
  const received = createHash("sha256");
  const stream = await sandbox.files.read("large.bin", { format: "stream", requestTimeoutMs: 0 });
  for await (const chunk of stream) received.update(chunk);
  assert.equal(received.digest("hex"), sum);
});

function* piecesOf(count: number): Generator<Buffer> {
  for (let piece = 0; piece < count; piece++) yield PIECE;
}
