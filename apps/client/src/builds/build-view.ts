import type { BuildLogLine } from "@wrenn/sdk";
import { escapeText } from "../output/escape-text.ts";
import { LiveTable } from "../output/live-table.ts";
import type { TextStream } from "../output/output.ts";
import { cutText, widthOf } from "../output/text-width.ts";
import { BuildTasks, labelOf, secondsText } from "./build-tasks.ts";
import type { BuildTask } from "./build-tasks.ts";

/** Shows a build while it runs. */
export interface BuildView {
  readonly take: (line: BuildLogLine) => void;
  /** Nothing more comes. Can be repeated. */
  readonly close: () => void;
}

/** Columns and rows of a terminal that does not say. */
const SIZE = { columns: 80, rows: 24 };
const EVERY_MS = 100;
/** Lines of its output below the step that runs. */
const SHOWN_LINES = 6;
/** A terminal that is narrower has the times cut off. */
const LEAST_TITLE = 20;

/** Nothing is shown. */
export const quietView: BuildView = { take: () => undefined, close: () => undefined };

/** Each line as it comes, with the number of its step: `#3 0.51 text`. */
export class PlainView implements BuildView {
  readonly #stream: TextStream;
  readonly #tasks: BuildTasks;

  constructor(stream: TextStream, total: number) {
    this.#stream = stream;
    this.#tasks = new BuildTasks(total);
  }

  readonly take = (line: BuildLogLine): void => {
    const { task, kind, dropped } = this.#tasks.take(line, 0);
    if (dropped > 0) this.#write(task, `… ${dropped} lines were not kept`);
    if (kind === "begun") this.#write(task, labelOf(task, this.#tasks.total));
    else if (kind === "output")
      this.#write(task, `${((line.at.getTime() - task.beganAt.getTime()) / 1000).toFixed(2)} ${line.text}`);
    else if (task.state === "cached") this.#write(task, "CACHED");
    else if (task.state === "failed") this.#write(task, `ERROR ${line.text}`);
    else this.#write(task, `DONE ${secondsText(task.durationMs ?? 0)}`);
  };

  readonly close = (): void => undefined;

  #write({ step }: BuildTask, text: string): void {
    this.#stream.write(`#${step} ${escapeText(text)}\n`);
  }
}

/** An area of a terminal with a line for each step and the last output of the one that runs. At the end the steps stay. */
export class LiveView implements BuildView {
  readonly #stream: TextStream & { readonly rows?: number };
  readonly #tasks: BuildTasks;
  readonly #table: LiveTable;
  readonly #now: () => number;
  readonly #beganMs: number;
  readonly #timer: NodeJS.Timeout;
  #shown = "";
  #isClosed = false;

  constructor(
    stream: TextStream & { readonly rows?: number },
    total: number,
    now: () => number = () => performance.now(),
  ) {
    this.#stream = stream;
    this.#tasks = new BuildTasks(total);
    this.#table = new LiveTable(stream);
    this.#now = now;
    this.#beganMs = now();
    this.#draw();
    this.#timer = setInterval(() => this.#draw(), EVERY_MS);
  }

  readonly take = (line: BuildLogLine): void => {
    this.#tasks.take(line, this.#now());
  };

  readonly close = (): void => {
    if (this.#isClosed) return;
    this.#isClosed = true;
    clearInterval(this.#timer);
    this.#table.draw("");
    const all = [this.#head(), ...this.#tasks.all.map((task) => this.#line(task))];
    this.#stream.write(all.map((text) => `${text}\n`).join(""));
  };

  #draw(): void {
    const { rows = SIZE.rows } = this.#stream;
    const room = Math.max(1, rows - 2);
    const lines = this.#tasks.all.flatMap((task) => [
      this.#line(task),
      ...(task.state === "running" ? task.lines.slice(-SHOWN_LINES).map((text) => this.#output(text)) : []),
    ]);
    const text = [this.#head(), ...lines.slice(-room)].map((line) => `${line}\n`).join("");
    if (text === this.#shown) return;
    this.#shown = text;
    this.#table.draw(text);
  }

  /** One column less: some terminals wrap a full line. */
  get #columns(): number {
    return (this.#stream.columns ?? SIZE.columns) - 1;
  }

  #head(): string {
    const { endedSteps, total } = this.#tasks;
    return cutText(
      `[+] Building ${secondsText(this.#now() - this.#beganMs)} (${endedSteps}/${total})`,
      this.#columns,
    );
  }

  #line(task: BuildTask): string {
    const marks = { running: "", done: "", cached: "CACHED ", failed: "ERROR " };
    const text = `=> ${marks[task.state]}${escapeText(labelOf(task, this.#tasks.total))}`;
    const time = secondsText(task.durationMs ?? this.#now() - task.seenMs);
    const room = this.#columns - time.length - 1;
    if (room < LEAST_TITLE) return cutText(text, this.#columns);
    const cut = cutText(text, room);
    return `${cut}${" ".repeat(room - widthOf(cut))} ${time}`;
  }

  #output(text: string): string {
    return cutText(`=> => ${escapeText(text)}`, this.#columns);
  }
}
