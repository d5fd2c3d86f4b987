import assert from "node:assert/strict";
import { test } from "node:test";
import type { BuildLogLine } from "@wrenn/sdk";
import { secondsText, titleOf } from "../src/builds/build-tasks.ts";
import { LiveView, PlainView } from "../src/builds/build-view.ts";

const BEGAN = Date.parse("2026-03-01T09:30:00Z");

/** Lines of a log, numbered in their order. */
function logOf(
  ...lines: readonly (readonly [
    step: number,
    stream: BuildLogLine["stream"],
    text: string,
    ended?: BuildLogLine["ended"],
    atMs?: number,
  ])[]
): readonly BuildLogLine[] {
  return lines.map(([step, stream, text, ended, atMs = 0], seq) => ({
    seq,
    step,
    stream,
    text,
    at: new Date(BEGAN + atMs),
    ...(ended && { ended }),
  }));
}

const done = (durationMs: number): NonNullable<BuildLogLine["ended"]> => ({
  isOk: true,
  isCached: false,
  durationMs,
});
const cached: BuildLogLine["ended"] = { isOk: true, isCached: true, durationMs: 0 };
const failed: BuildLogLine["ended"] = { isOk: false, isCached: false, durationMs: 300 };

const ESCAPE = "\u001b";
const PIECES = new RegExp(`${ESCAPE}\\[\\d*[AK]|\\n|\\r|[^${ESCAPE}\\n\\r]+`, "g");
const UP = new RegExp(`^${ESCAPE}\\[(\\d+)A$`);

/** A terminal that keeps what is shown: it knows the sequences that a live area needs. */
class Screen {
  readonly isTTY = true;
  readonly lines: string[] = [""];
  columns = 40;
  rows = 10;
  writes = 0;
  #row = 0;

  readonly write = (text: string | Uint8Array): boolean => {
    this.writes++;
    for (const [piece] of String(text).matchAll(PIECES)) {
      const up = UP.exec(piece)?.[1];
      if (up !== undefined) this.#row = Math.max(0, this.#row - Number(up));
      else if (piece === "\u001b[2K") this.lines[this.#row] = "";
      else if (piece === "\n") this.lines[++this.#row] ??= "";
      else if (piece !== "\r") this.lines[this.#row] = (this.lines[this.#row] ?? "") + piece;
    }
    return true;
  };

  get text(): string {
    return this.lines.join("\n").trimEnd();
  }
}

test("without a terminal each line has the number of its step and its time", () => {
  let written = "";
  const view = new PlainView({ write: (text) => ((written += String(text)), true) }, 3);
  const log = logOf(
    [1, "system", "RUN apt \\\n  update"],
    [1, "system", "cached", cached],
    [2, "system", "COPY . /app"],
    [2, "system", "done in 1.2 s", done(1234)],
    [3, "system", "RUN false\u001b[2J"],
    [3, "stderr", "no\u001b[2Jthing", undefined, 510],
    [3, "system", "failed after 0.3 s", failed],
    [0, "system", "freezing"],
    [0, "system", "done in 0.3 s", done(300)],
  );
  for (const line of log) view.take(line);
  view.close();
  assert.deepEqual(written.split("\n"), [
    "#1 [1/3] RUN apt update",
    "#1 CACHED",
    "#2 [2/3] COPY . /app",
    "#2 DONE 1.2s",
    "#3 [3/3] RUN false\\x1b[2J",
    "#3 0.51 no\\x1b[2Jthing",
    "#3 ERROR failed after 0.3 s",
    "#0 freezing",
    "#0 DONE 0.3s",
    "",
  ]);
});

test("lines that the server did not keep are counted", () => {
  let written = "";
  const view = new PlainView({ write: (text) => ((written += String(text)), true) }, 1);
  const [first, last] = logOf([1, "system", "RUN yes"], [1, "stdout", "y"]);
  assert.ok(first && last);
  view.take(first);
  view.take({ ...last, seq: 1001 });
  assert.match(written, /^#1 … 1000 lines were not kept$/m);
});

test("on a terminal steps are lines in one place, with the last output of the one that runs", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const screen = new Screen();
  let nowMs = 0;
  const view = new LiveView(screen, 3, () => nowMs);
  const log = logOf(
    [1, "system", "RUN true"],
    [1, "system", "cached", cached],
    [2, "system", "RUN make a thing whose name is longer than the window"],
    [2, "stdout", "one\u001b[2J"],
    [2, "stdout", "two 日本語日本語日本語日本語日本語日本語日本語"],
    [2, "system", "done", done(2000)],
  );
  for (const line of log.slice(0, 5)) view.take(line);
  nowMs = 2000;
  t.mock.timers.tick(100);
  assert.deepEqual(screen.text.split("\n"), [
    "[+] Building 2.0s (1/3)",
    "=> CACHED [1/3] RUN true           0.0s",
    "=> [2/3] RUN make a thing whose na 2.0s",
    "=> => one\\x1b[2J",
    "=> => two 日本語日本語日本語日本語日本",
  ]);
  for (const line of log.slice(5)) view.take(line);
  t.mock.timers.tick(100);
  view.close();
  view.close();
  assert.deepEqual(screen.text.split("\n"), [
    "[+] Building 2.0s (2/3)",
    "=> CACHED [1/3] RUN true           0.0s",
    "=> [2/3] RUN make a thing whose na 2.0s",
  ]);
});

test("a live build is drawn at most ten times a second, and never higher than its window", (t) => {
  t.mock.timers.enable({ apis: ["setInterval"] });
  const screen = new Screen();
  let nowMs = 0;
  const view = new LiveView(screen, 50, () => nowMs);
  let seq = 0;
  for (let step = 1; step <= 50; step++) {
    const at = new Date(BEGAN);
    view.take({ seq: seq++, step, stream: "system", text: `RUN step-${step}`, at });
    for (let count = 0; count < 100; count++)
      view.take({ seq: seq++, step, stream: "stdout", text: `line ${count}`, at });
    if (step < 50) view.take({ seq: seq++, step, stream: "system", text: "", at, ended: done(1) });
  }
  const before = screen.writes;
  for (let tick = 0; tick < 10; tick++) {
    nowMs += 100;
    t.mock.timers.tick(100);
  }
  assert.ok(screen.writes - before <= 10, `${screen.writes - before} writes in a second`);
  const shown = screen.text.split("\n");
  assert.ok(shown.length < screen.rows, `${shown.length} lines`);
  assert.match(shown.at(-1) ?? "", /line 99/);
  assert.match(shown.at(-7) ?? "", /step-50/);
  view.close();
  assert.equal(screen.text.split("\n").length, 51, "at the end every step has its line");
});

test("instructions are shown in one line, and times as people say them", () => {
  assert.equal(
    titleOf("RUN apt-get update \\\n    && apt-get install -y git"),
    "RUN apt-get update && apt-get install -y git",
  );
  assert.equal(titleOf("RUN <<EOF\necho one\nEOF"), "RUN <<EOF");
  assert.deepEqual(
    [0, 340, 59_940, 192_000].map((ms) => secondsText(ms)),
    ["0.0s", "0.3s", "59.9s", "3m12s"],
  );
});
