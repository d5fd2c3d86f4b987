import { writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { constants, Script } from "node:vm";
import { Worker } from "node:worker_threads";
import { Evaluator } from "./evaluator.ts";
import { IMPORT_FUNCTION, prepareCell } from "./prepare-cell.ts";
import { ENDED } from "./protocol.ts";
import type { ExecuteCommand, InterruptsData, Message, MimeBundle, Report } from "./protocol.ts";
import { displayed, errorOf, representationsOf } from "./representations.ts";

/*
 * Runs cells of JavaScript and TypeScript in this thread. Arguments: the numbers of the pipes for commands and reports. What cells print
 * goes to standard output and standard error, which are pipes: Node.js writes to them synchronously.
 */

const [commands = NaN, reportsFd = NaN] = process.argv.slice(2).map(Number);
const state = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
const evaluator = new Evaluator();
/** The running cell. */
let running: Cell | undefined;

/** What cells show once it is there. */
const displays: Promise<void>[] = [];

interface Cell {
  readonly number: number;
  /** Variables as they were before it. */
  readonly before: readonly (readonly [name: string, value: string | undefined])[];
}

const showDisplayed = (data: MimeBundle): void => report({ type: "result", main: false, data });

/** @throws TypeError when JSON has no form for something in it. */
const lineOf = (one: Report): string => `${JSON.stringify(one)}\n`;

const report = (one: Report): void => write(lineOf(one));

function write(lines: string): void {
  const bytes = Buffer.from(lines);
  for (let at = 0; at < bytes.length;) at += writeSync(reportsFd, bytes, at);
}

async function run(
  number: number,
  { code, language, environment, variables }: ExecuteCommand,
): Promise<void> {
  Object.assign(process.env, environment);
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  const cell = { number, before };
  running = cell;
  end(cell, await outcomeOf(code, language));
}

/** What is reported of a cell at its end: nothing where it has no value. */
async function outcomeOf(code: string, language: string): Promise<string> {
  try {
    const evaluation = await evaluator.evaluate(prepareCell(code, language));
    if (evaluation.kind === "interrupted") return INTERRUPTED;
    await Promise.all(displays.splice(0));
    if (evaluation.kind === "thrown") return lineOf({ type: "error", ...errorOf(evaluation.value) });
    if (evaluation.value === undefined) return "";
    return lineOf({ type: "result", main: true, data: await representationsOf(evaluation.value) });
  } catch (error) {
    return lineOf({ type: "error", ...errorOf(error) });
  }
}

const INTERRUPTED = lineOf({
  type: "error",
  name: "Interrupted",
  value: "the cell was interrupted",
  traceback: "",
});

/** Does nothing for a cell that has ended. May be terminated at any point and called again: `running` is reset last. */
function end(cell: Cell, outcome: string): void {
  if (running !== cell) return;
  for (const [name, value] of cell.before)
    if (value === undefined) Reflect.deleteProperty(process.env, name);
    else process.env[name] = value;
  write(outcome + lineOf({ type: "done", cell: cell.number }));
  displays.length = 0;
  Atomics.store(state, ENDED, cell.number);
  Atomics.notify(state, ENDED);
  running = undefined;
}

/** Node.js would wait for the inspector of the second thread to disconnect. */
function exit(code: number | string | null = process.exitCode ?? 0): never {
  process.exitCode = code;
  process.emit("exit", Number(code));
  report({ type: "exit", code: Number(process.exitCode ?? 0) });
  process.kill(process.pid, "SIGKILL");
  throw new Error("unreachable: the process has ended");
}

/** What cells find beside the globals of Node.js. Modules are looked for in their working directory. */
function addGlobals(): void {
  const filename = join(process.cwd(), "cell.js");
  const importer = new Script("(specifier, options) => import(specifier, options)", {
    filename,
    importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
  });
  const globals: Readonly<Record<string, unknown>> = {
    require: createRequire(filename),
    [IMPORT_FUNCTION]: importer.runInThisContext(),
    display: (value: unknown, options?: { readonly raw?: boolean }): void => {
      const data = displayed(value, options);
      if (data instanceof Promise) displays.push(data.then(showDisplayed));
      else showDisplayed(data);
    },
  };
  for (const [name, value] of Object.entries(globals))
    Object.defineProperty(globalThis, name, { value, writable: true, configurable: true, enumerable: false });
}

// What a cell has left running must not end the kernel.
process.on("uncaughtException", (error) => process.stderr.write(`Uncaught ${errorOf(error).traceback}\n`));
process.on("unhandledRejection", (reason) =>
  process.stderr.write(`Unhandled ${errorOf(reason).traceback}\n`),
);
// Programs that a cell waits for get the signal, too.
process.on("SIGINT", () => undefined);
process.exit = exit;
addGlobals();
const workerData: InterruptsData = { commands, state };
const interrupts = new Worker(join(import.meta.dirname, "interrupts.ts"), { workerData });
interrupts.on("message", (message: Message) => {
  if (message.type === "execute") void run(message.cell, message.command);
  else if (running?.number === message.cell) end(running, INTERRUPTED);
});
report({ type: "ready" });
