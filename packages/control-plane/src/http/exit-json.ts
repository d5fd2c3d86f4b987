import { defined } from "@wrenn/core";
import type { ProcessExit } from "@wrenn/protocol";
import { Type } from "typebox";
import type { Static } from "typebox";

/** Exit code of a command whose time was up, as that of timeout(1): clients without the field `timed_out` can tell it from a kill. */
export const TIMED_OUT_EXIT = 124;

export const Exit = Type.Object({
  exit_code: Type.Integer({ description: "The program's own, 128 + signal, or 124 when its time was up" }),
  signal: Type.Optional(Type.Integer()),
  timed_out: Type.Optional(Type.Boolean({ description: "`timeout_sec` was over" })),
});

/** How a process ended, in answers, messages and events. */
export function exitJson({ exitCode, signal, timedOut = false }: ProcessExit): Static<typeof Exit> {
  return {
    exit_code: timedOut ? TIMED_OUT_EXIT : exitCode,
    ...defined({ signal }),
    ...(timedOut ? { timed_out: true } : {}),
  };
}
