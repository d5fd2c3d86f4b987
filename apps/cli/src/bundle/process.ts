import { constants, setPriority } from "node:os";
import { join } from "node:path";
import { systemClock } from "@wrenn/core";
import { projectRoot } from "../project-root.ts";
import { makeBundle } from "./make-bundle.ts";

const PATIENCE_MS = 600_000;

/** Makes the bundle beside a server that has started, with what the processor has left; ends with that server. */
setPriority(constants.priority.PRIORITY_LOW);
process.once("disconnect", () => process.exit());
const program = join(import.meta.dirname, "../run-program.ts");
const notMade = await makeBundle({
  root: projectRoot,
  program,
  clock: systemClock,
  signal: AbortSignal.timeout(PATIENCE_MS),
});
if (notMade !== undefined) process.stdout.write(`not made: ${notMade}\n`);
process.disconnect?.();
