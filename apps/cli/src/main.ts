import { parseWords } from "@wrenn/client";
import { createProgram } from "./program.ts";
import { reportFailure } from "./output/report-failure.ts";

// Of this program only: a child that is a Node, such as npm, does not write there.
delete process.env["NODE_COMPILE_CACHE"];

try {
  const code = await parseWords(createProgram(), process, process.argv.slice(2));
  if (code !== undefined) process.exitCode = code;
} catch (error) {
  process.exitCode = reportFailure(error, process.stderr);
}
