import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { findBundle } from "./bundle/program-bundle.ts";
import type * as runProgramModule from "./run-program.ts";

// Of this program only: a child that is a Node, such as npm, does not write there.
delete process.env["NODE_COMPILE_CACHE"];

const bundle =
  process.env["WRENN_RUN_SOURCES"] === "1" ? undefined : findBundle(join(import.meta.dirname, "../../.."));
const { runProgram } =
  bundle === undefined
    ? await import("./run-program.ts")
    : ((await import(pathToFileURL(bundle).href)) as typeof runProgramModule);
await runProgram(bundle !== undefined);
