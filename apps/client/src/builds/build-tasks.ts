import type { BuildLogLine } from "@wrenn/sdk";

/** Lines of its output that a task keeps. */
const KEPT = 20;

/** A step of a build, or a piece of the builder's own work. */
export interface BuildTask {
  /** From 1; 0 for the builder's own work. */
  readonly step: number;
  /** What is done, in one line. */
  readonly title: string;
  /** Of the server's clock. */
  readonly beganAt: Date;
  /** Of the clock of this process, in milliseconds. */
  readonly seenMs: number;
  /** Its last lines. */
  readonly lines: string[];
  state: "running" | "done" | "cached" | "failed";
  /** Milliseconds that it took; undefined while it runs. */
  durationMs: number | undefined;
}

/** What a line of the log says of a task. */
export interface TaskChange {
  readonly task: BuildTask;
  readonly kind: "begun" | "output" | "ended";
  /** Lines before this one that the server did not keep. */
  readonly dropped: number;
}

/** What the log of a build says so far. */
export class BuildTasks {
  readonly all: BuildTask[] = [];
  readonly total: number;
  #next = 0;

  /** @param total - number of steps. */
  constructor(total: number) {
    this.total = total;
  }

  /** Steps that have ended. */
  get endedSteps(): number {
    return this.all.filter(({ step, state }) => step > 0 && state !== "running").length;
  }

  /** @param nowMs - of the clock of this process. */
  take(line: BuildLogLine, nowMs: number): TaskChange {
    const dropped = Math.max(0, line.seq - this.#next);
    this.#next = line.seq + 1;
    const running = this.all.findLast(({ step, state }) => step === line.step && state === "running");
    const { ended } = line;
    if (ended !== undefined) {
      const task = running ?? this.#begin(line, nowMs);
      task.state = ended.isCached ? "cached" : ended.isOk ? "done" : "failed";
      task.durationMs = ended.durationMs;
      return { task, kind: "ended", dropped };
    }
    // What the builder says itself is work of its own each time; of a step the first line is its instruction.
    const begins = running === undefined || (line.step === 0 && line.stream === "system");
    if (begins) return { task: this.#begin(line, nowMs), kind: "begun", dropped };
    running.lines.push(line.text);
    if (running.lines.length > KEPT) running.lines.shift();
    return { task: running, kind: "output", dropped };
  }

  #begin({ step, text, at }: BuildLogLine, seenMs: number): BuildTask {
    // Steps follow each other: one whose end the log does not have has ended, too.
    for (const before of this.all)
      if (before.state === "running" && before.step > 0 && before.step < step) {
        before.state = "done";
        before.durationMs = at.getTime() - before.beganAt.getTime();
      }
    const task: BuildTask = {
      step,
      title: titleOf(text),
      beganAt: at,
      seenMs,
      lines: [],
      state: "running",
      durationMs: undefined,
    };
    this.all.push(task);
    return task;
  }
}

/** `[3/5] RUN …`; the builder's own work has no number. */
export function labelOf({ step, title }: BuildTask, total: number): string {
  return step === 0 ? title : `[${step}/${total}] ${title}`;
}

/** An instruction in one line: continued lines are joined, and a heredoc is its first line. */
export function titleOf(text: string): string {
  return (
    text
      .replaceAll(/[ \t]*[\\`][ \t]*\r?\n\s*/g, " ")
      .trim()
      .split(/\r?\n/)[0] ?? ""
  );
}

/** `0.3s`, `12.0s`, `3m12s`. */
export function secondsText(ms: number): string {
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)}s`;
  const seconds = Math.round(ms / 1000);
  return `${Math.floor(seconds / 60)}m${String(seconds % 60).padStart(2, "0")}s`;
}
