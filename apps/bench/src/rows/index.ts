import type { Row } from "../row.ts";
import { createToAnswer, createToExec, destroy } from "./capsule-life.ts";
import { execOverhead, execRoundTrip } from "./exec.ts";

/** Every row, in the order of the table. */
export const rows: readonly Row[] = [createToAnswer, createToExec, destroy, execRoundTrip, execOverhead];
