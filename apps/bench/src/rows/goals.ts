import type { Row } from "../row.ts";
import { createAnswered, createToExec } from "./capsule-life.ts";
import { clientRun } from "./client.ts";
import { createThroughput, listThousand, readThroughput } from "./control-plane.ts";
import { dashboardFirstLoad, dashboardInteractive, dashboardLongestTask } from "./dashboard-pages.ts";
import { dashboardEcho, dashboardKeyBesideFlood, dashboardOutput } from "./dashboard-terminal.ts";
import { idleMemory, idleProcessor } from "./density.ts";
import { execRoundTrip, secondPython, thirdShell } from "./exec.ts";
import { fork, forkToExec, pause, resume, resumeToExec } from "./freezing.ts";
import { createPooledAnswered, createPooledToExec, resumeParked } from "./prepared.ts";
import { smallPieces, streamInput, streamThroughput } from "./program-streams.ts";
import { restart } from "./restart.ts";
import { terminalEchoOtherSaturated, terminalEchoSaturatedPort } from "./saturated-port.ts";
import { terminalEcho, terminalEchoBusy, terminalEchoOtherBusy } from "./terminal-echo.ts";
import { download, upload } from "./transfers.ts";

/** A row of a path that users wait for. */
export interface Goal {
  readonly row: Row;
  /** What commit fb03c93 took on a quiet machine of the reference class. */
  readonly before: string;
}

/** The rows that the performance page shows first, in its order. What is asked of each is stored with the row. */
export const goals: readonly Goal[] = [
  { row: createAnswered, before: "260–328 ms" },
  { row: createToExec, before: "499–654 ms" },
  { row: createPooledAnswered, before: "97 ms" },
  { row: createPooledToExec, before: "315 ms" },
  { row: execRoundTrip, before: "66 ms" },
  { row: thirdShell, before: "74 ms" },
  { row: secondPython, before: "290 ms" },
  { row: resumeParked, before: "270 ms" },
  { row: resume, before: "270 ms" },
  { row: resumeToExec, before: "415 ms" },
  { row: pause, before: "101–166 ms" },
  { row: fork, before: "2,217–2,643 ms" },
  { row: forkToExec, before: "4,200–5,900 ms" },
  { row: upload, before: "50 MB/s" },
  { row: download, before: "66 MB/s" },
  { row: streamInput, before: "19–27 MB/s" },
  { row: streamThroughput, before: "50 MB/s" },
  { row: smallPieces, before: "6 MB/s" },
  { row: terminalEcho, before: "p50 2.0 ms, p99 9.6 ms" },
  { row: terminalEchoBusy, before: "p99 54 ms" },
  { row: terminalEchoOtherBusy, before: "p99 35 ms" },
  { row: terminalEchoSaturatedPort, before: "p99 32–116 ms" },
  { row: terminalEchoOtherSaturated, before: "–" },
  { row: idleMemory, before: "31–35 MiB" },
  { row: idleProcessor, before: "0.6 %" },
  { row: restart, before: "2,900 ms" },
  { row: clientRun, before: "1,811 ms, whole process" },
  { row: readThroughput, before: "2,222–7,244/s" },
  { row: listThousand, before: "14–29 ms" },
  { row: createThroughput, before: "344–896/s" },
  // There was no dashboard.
  { row: dashboardFirstLoad, before: "–" },
  { row: dashboardInteractive, before: "–" },
  { row: dashboardLongestTask, before: "–" },
  { row: dashboardEcho, before: "–" },
  { row: dashboardOutput, before: "–" },
  { row: dashboardKeyBesideFlood, before: "–" },
];
