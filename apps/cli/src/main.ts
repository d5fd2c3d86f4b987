import { createProgram } from "./program.ts";
import { reportFailure } from "./output/report-failure.ts";

try {
  await createProgram().parseAsync(process.argv);
} catch (error) {
  process.exitCode = reportFailure(error, process.stderr);
}
