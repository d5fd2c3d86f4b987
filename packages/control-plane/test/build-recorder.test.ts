/* Drawn: tests/e2e/builds.test.ts shows the main paths. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { formatId, systemClock, systemRandom } from "@wrenn/core";
import { buildLogQueries } from "@wrenn/database";
import { sql } from "kysely";
import fc from "fast-check";
import { BuildRecorder } from "../src/builds/build-recorder.ts";
import { StepOutput } from "../src/builds/kept-lines.ts";
import { BuildLab } from "./support/build-lab.ts";
import { webSocketCall } from "./support/web-socket-call.ts";

const lab = await BuildLab.open();
after(() => lab[Symbol.asyncDispose]());
const { platform } = lab;
const { db } = platform.database;
const owner = systemRandom.uuid();
await sql`insert into control_planes (id, last_seen) values (${owner}, now() + interval '1 hour')`.execute(
  db,
);
await lab.reaches(await lab.start("first", ["RUN true"]), "success");
const { team_id: team } = await db.selectFrom("builds").select("team_id").executeTakeFirstOrThrow();

/** A build that this test runs itself, and its recorder. */
async function record(secrets: readonly string[] = []) {
  const id = systemRandom.uuid();
  await sql`
    insert into builds (id, team_id, name, tag, base_template, recipe, vcpus, memory_mb, total_steps, status, owner, started_at)
    values (${id}, ${team}, 'recorded', 'default', 'minimal', '["RUN true"]', 1, 512, 1, 'running', ${owner}, now())`.execute(
    db,
  );
  let isLost = false;
  const recorder = new BuildRecorder(
    {
      database: platform.database,
      clock: systemClock,
      storing: async () => {},
      signal: new AbortController().signal,
      onLost: () => (isLost = true),
    },
    { id, owner, secrets },
  );
  const read = async (from = 0) => await buildLogQueries.readLines(db, id, from, 1_000_000);
  const end = async (): Promise<void> => {
    await recorder.finish();
    await sql`update builds set status = 'success', completed_at = now() where id = ${id}`.execute(db);
  };
  return { id, publicId: formatId("build", id), recorder, read, end, isLost: () => isLost };
}

const step = { step: 1, phase: "recipe", cmd: "RUN work" } as const;

test("of a log of 100,000 lines the beginning and the end are kept, and a follower sees all that is there", async () => {
  const { id, publicId, recorder, read, end } = await record();
  await recorder.stepStarted(step);
  const headers = { authorization: `Bearer ${lab.token}` };
  const following = webSocketCall(platform.url, `/v1/builds/${publicId}/logs`, {
    headers,
    deadlineMs: 60_000,
  });
  let most = 0;
  for (let line = 0; line < 100_000; line += 500) {
    const text = Array.from({ length: 500 }, (_, at) => `line ${line + at}\n`).join("");
    // Cut in the middle of a line.
    await recorder.output("stdout", text.slice(0, 1234));
    await recorder.output("stdout", text.slice(1234));
    if (line % 10_000 === 0) most = Math.max(most, (await read()).length);
  }
  await recorder.stepEnded({ exit: 0, ok: true });
  await end();
  const lines = await read();
  const seqs = lines.map(({ seq }) => seq);
  assert.ok(most <= 20_000, `${most} lines at a time`);
  assert.deepEqual(seqs, [
    ...Array.from({ length: 10_000 }, (_, at) => at),
    ...Array.from({ length: 10_000 }, (_, at) => 90_002 + at),
  ]);
  assert.equal(lines[9999]?.text, "line 9998");
  assert.deepEqual(
    lines.slice(-2).map(({ text, ended }) => [text.replace(/\d.*/, ""), ended?.ok]),
    [
      ["line ", undefined],
      ["done in ", true],
    ],
  );
  const row = await db.selectFrom("builds").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
  assert.equal(row.dropped_lines, 80_002);
  const [ended] = await buildLogQueries.listSteps(db, id);
  assert.match(ended?.stdout ?? "", /^line 0\nline 1\n[^]*\n… \d+ lines are not kept …\n[^]*\nline 99999\n$/);
  assert.ok((ended?.stdout.length ?? 0) < (128 << 10) + 100);

  const { messages } = await following;
  const seen = messages.map((message) => JSON.parse(message) as { type: string; seq: number; text: string });
  assert.equal(seen.pop()?.type, "end");
  const seenSeqs = seen.map(({ seq }) => seq);
  assert.ok(
    seenSeqs.every((seq, at) => at === 0 || seq > (seenSeqs[at - 1] ?? 0)),
    "in order and once",
  );
  const isSeen = new Set(seenSeqs);
  assert.deepEqual(
    seqs.filter((seq) => !isSeen.has(seq)),
    [],
    "nothing that is there is missed",
  );
});

test("a log is bounded by its characters, too, and an endless line costs no memory", async () => {
  const { recorder, read, end } = await record();
  await recorder.stepStarted(step);
  const piece = "x".repeat(64 << 10);
  globalThis.gc?.();
  const before = process.memoryUsage().heapUsed;
  for (let at = 0; at < 1600; at++) await recorder.output("stderr", piece);
  assert.ok(process.memoryUsage().heapUsed - before < 32 << 20);
  await recorder.output("stderr", "\n");
  for (let at = 0; at < 3000; at++) await recorder.output("stdout", `${at} ${"y".repeat(2000)}\n`);
  await recorder.stepEnded({ exit: 0, ok: true });
  await end();
  const lines = await read();
  const chars = lines.reduce((sum, { text }) => sum + text.length, 0);
  assert.ok(chars <= 2 << 20 && chars > 1.9 * (1 << 20), `${chars} characters`);
  assert.match(lines[1]?.text ?? "", /^x{4096}… \(cut\)$/);
  assert.match(lines.at(-2)?.text ?? "", /^2999 y/);
});

test("outputs of many loud steps stay bounded together", async () => {
  const { id, recorder, end } = await record();
  for (let n = 1; n <= 60; n++) {
    await recorder.stepStarted({ ...step, step: n });
    for (const stream of ["stdout", "stderr"] as const)
      for (let at = 0; at < 100; at++) await recorder.output(stream, `${"z".repeat(4000)}\n`);
    await recorder.stepEnded({ exit: 0, ok: true });
  }
  await end();
  const steps = await buildLogQueries.listSteps(db, id);
  assert.equal(steps.length, 60);
  assert.ok(JSON.stringify(steps).length < 5.5 * (1 << 20));
  assert.ok(steps.every(({ stdout, stderr }) => stdout.length > 4000 && stderr.length > 4000));
});

test("lines say how steps and phases ended, and a build has the time of each phase", async () => {
  const { id, recorder, read, end } = await record();
  await recorder.stepStarted({ ...step, cmd: "RUN cat <<E\nE" });
  await recorder.output("stdout", "begun");
  await recorder.stepEnded({ exit: 0, ok: true });
  await recorder.stepStarted({ ...step, step: 2 });
  await recorder.stepEnded({ ok: true, cached: true });
  await recorder.stepStarted({ ...step, step: 3 });
  await recorder.stepEnded({ exit: 7, ok: false });
  for (const name of ["settle", "freeze", "smoke test", "smoke test"] as const) {
    await recorder.phaseStarted(name);
    await recorder.phaseEnded({ ok: name !== "settle" });
  }
  await end();
  const shown = (await read()).map((line) => {
    const { ok, cached, elapsed_ms: ms } = line.ended ?? {};
    const ended = line.ended ? [ok, cached, Number.isInteger(ms)] : [];
    return [line.step, line.stream, line.text.replace(/[\d.]+ s$/, "N s"), ...ended];
  });
  assert.deepEqual(shown, [
    [1, "system", "RUN cat <<E\nE"],
    [1, "stdout", "begun"],
    [1, "system", "done in N s", true, false, true],
    [2, "system", "RUN work"],
    [2, "system", "cached", true, true, true],
    [3, "system", "RUN work"],
    [3, "system", "failed after N s", false, false, true],
    [0, "system", "settling"],
    [0, "system", "failed after N s", false, false, true],
    [0, "system", "freezing"],
    [0, "system", "done in N s", true, false, true],
    [0, "system", "testing"],
    [0, "system", "done in N s", true, false, true],
    [0, "system", "testing"],
    [0, "system", "done in N s", true, false, true],
  ]);
  const { durations } = await db
    .selectFrom("builds")
    .selectAll()
    .where("id", "=", id)
    .executeTakeFirstOrThrow();
  assert.deepEqual(Object.keys(durations).sort(), ["freeze_ms", "settle_ms", "smoke_test_ms"]);
});

test("secrets are hidden in lines, outputs and instructions, wherever a read cuts them", async () => {
  const secret = "token-3f9a\nsecond line\n";
  const { id, recorder, read, end } = await record([secret, "pw"]);
  await recorder.stepStarted({ ...step, cmd: "RUN login token-3f9a --pw" });
  const text = "a token-3f9a b\nsecond line\nsecond li\n😀 token-3f9";
  for (const unit of text) for (const half of unit.split("")) await recorder.output("stdout", half);
  for (const unit of `${secret}tok`) await recorder.output("stderr", unit);
  await recorder.stepEnded({ exit: 0, ok: true });
  await end();
  const [one] = await buildLogQueries.listSteps(db, id);
  assert.equal(one?.cmd, "RUN login *** --***");
  assert.equal(one?.stdout, "a *** b\n***\nsecond li\n😀 token-3f9\n");
  assert.equal(one?.stderr, "***\ntok\n");
  const texts = (await read()).map((line) => line.text);
  assert.deepEqual(texts.slice(0, 7), [
    "RUN login *** --***",
    "a *** b",
    "***",
    "second li",
    "***",
    "😀 token-3f9",
    "tok",
  ]);
});

test("lines that could not be written are written when the database is there again, once", async () => {
  const { recorder, read, end, isLost } = await record();
  await recorder.stepStarted(step);
  await recorder.output("stdout", "one\n");
  await sql`alter table build_lines rename to build_lines_away`.execute(db);
  await assert.rejects(recorder.flush());
  await recorder.output("stdout", "two\n");
  await assert.rejects(recorder.flush());
  await sql`alter table build_lines_away rename to build_lines`.execute(db);
  await recorder.flush();
  await end();
  assert.deepEqual(
    (await read()).map(({ seq, text }) => [seq, text]),
    [
      [0, "RUN work"],
      [1, "one"],
      [2, "two"],
    ],
  );
  await recorder.output("stdout", "late\n");
  await recorder.flush();
  assert.ok(isLost());
  assert.equal((await read()).length, 3);
});

test("an output is its first and last lines, as many as have room", () => {
  fc.assert(
    fc.property(fc.array(fc.string({ maxLength: 12 })), fc.integer({ min: 1, max: 40 }), (lines, chars) => {
      const output = new StepOutput(chars);
      for (const line of lines) output.add(line);
      const text = lines.map((line) => `${line}\n`);
      let head = 0;
      for (let used = 0; head < text.length && (used += text[head]?.length ?? 0) <= chars;) head++;
      let tail = text.length;
      for (let used = 0; tail > head && (used += text[tail - 1]?.length ?? 0) <= chars;) tail--;
      const dropped = tail - head;
      const gap =
        dropped === 0 ? [] : [`… ${dropped} ${dropped === 1 ? "line is" : "lines are"} not kept …\n`];
      assert.equal(String(output), [...text.slice(0, head), ...gap, ...text.slice(tail)].join(""));
    }),
    { numRuns: 2000 },
  );
});
