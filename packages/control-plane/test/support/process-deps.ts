import { silentLogger } from "@wrenn/core";
import { PendingWork, sessionLimits } from "../../src/http/pending-work.ts";

/** What the routes of processes need and tests of commands make no use of. */
export const unusedSessions = {
  states: {
    follow: () => () => undefined,
    explain: async (_team: string, _capsule: string, error: unknown) => error,
  },
  sessions: new PendingWork(sessionLimits),
  closing: new AbortController().signal,
  logger: silentLogger,
};
