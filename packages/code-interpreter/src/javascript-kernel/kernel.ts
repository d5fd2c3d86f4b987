import { writeSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { constants, Script } from "node:vm";
import { Worker } from "node:worker_threads";
import { Evaluator } from "./evaluator.ts";
import type { Evaluation } from "./evaluator.ts";
import { IMPORT_FUNCTION, prepareCell } from "./prepare-cell.ts";
import { RUNNING } from "./protocol.ts";
import type { Command, ExecuteCommand, InterruptsData, MimeBundle, Report } from "./protocol.ts";
import { displayed, errorOf, representationsOf } from "./representations.ts";

/*
 * Runs cells of JavaScript and TypeScript in this thread. Arguments: the numbers of the pipes for commands and reports. What cells print
 * goes to standard output and standard error, which are pipes: Node.js writes to them synchronously.
 */

const [commands = NaN, reports = NaN] = process.argv.slice(2).map(Number);
const state = new Int32Array(new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT));
const evaluator = new Evaluator();
/** Gives the running cell up. */
let giveUp: (() => void) | undefined;

/** What cells show once it is there. */
const displays: Promise<void>[] = [];

const showDisplayed = (data: MimeBundle): void => report({ type: "result", main: false, data });

function report(one: Report): void {
  const bytes = Buffer.from(`${JSON.stringify(one)}\n`);
  for (let at = 0; at < bytes.length;) at += writeSync(reports, bytes, at);
}

async function run({ code, language, environment, variables }: ExecuteCommand): Promise<void> {
  Object.assign(process.env, environment);
  const before = Object.keys(variables).map((name) => [name, process.env[name]] as const);
  Object.assign(process.env, variables);
  try {
    const evaluation = await Promise.race([evaluate(code, language), interruption()]);
    await Promise.all(displays.splice(0));
    if (evaluation.kind === "thrown") report({ type: "error", ...errorOf(evaluation.value) });
    else if (evaluation.kind === "interrupted")
      report({ type: "error", name: "Interrupted", value: "the cell was interrupted", traceback: "" });
    else if (evaluation.value !== undefined)
      report({ type: "result", main: true, data: await representationsOf(evaluation.value) });
  } catch (error) {
    report({ type: "error", ...errorOf(error) });
  } finally {
    giveUp = undefined;
    for (const [name, value] of before)
      if (value === undefined) Reflect.deleteProperty(process.env, name);
      else process.env[name] = value;
    Atomics.store(state, RUNNING, 0);
    report({ type: "done" });
  }
}

async function evaluate(code: string, language: string): Promise<Evaluation> {
  return await evaluator.evaluate(prepareCell(code, language));
}

async function interruption(): Promise<Evaluation> {
  return await new Promise((resolve) => {
    giveUp = () => resolve({ kind: "interrupted" });
  });
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
interrupts.on("message", (command: Command) => {
  if (command.type === "execute") void run(command);
  else giveUp?.();
});
report({ type: "ready" });
