import type { Row } from "../row.ts";
import {
  buildEnd,
  buildFreezing,
  buildLastStep,
  buildSettling,
  buildSmokeTest,
  buildStepOverhead,
  buildUnchanged,
  createFromBuilt,
} from "./builds.ts";
import { printFromPython } from "./built-in.ts";
import { createAnswered, createToAnswer, createToExec, destroy } from "./capsule-life.ts";
import { clientCopy, clientExec, clientHelp, clientRun } from "./client.ts";
import {
  createThroughput,
  idleStreams,
  listByMetadata,
  listThousand,
  memoryUnderLoad,
  readLatency,
  readThroughput,
} from "./control-plane.ts";
import { dashboardFirstLoad, dashboardInteractive, dashboardLongestTask } from "./dashboard-pages.ts";
import { dashboardEcho, dashboardKeyBesideFlood, dashboardOutput } from "./dashboard-terminal.ts";
import { idleMemory, idleProcessor, pausedProcesses } from "./density.ts";
import { e2bCreateToRun, e2bParallel, e2bRead, e2bRun, e2bWrite } from "./e2b.ts";
import { halfOpenMemory, requestBesideHalfOpen, webSocketMemory } from "./edge.ts";
import { eventLatency } from "./events.ts";
import { execOverhead, execRoundTrip, secondPython, thirdShell } from "./exec.ts";
import { checkpointStop, fork, forkToExec, pause, resume, resumeToExec } from "./freezing.ts";
import {
  createPooled,
  createPooledAnswered,
  createPooledToExec,
  resumePacked,
  resumeParked,
} from "./prepared.ts";
import { imageImport, imageImportMemory } from "./images.ts";
import { policyChange, slotFromPool, slotMade } from "./network-slots.ts";
import { portProxy } from "./ports.ts";
import { terminalEchoJoinedHost } from "./joined-host.ts";
import { terminalEchoOtherSaturated, terminalEchoSaturatedPort } from "./saturated-port.ts";
import { restart } from "./restart.ts";
import { sdkExec } from "./sdk-exec.ts";
import { sdkImport } from "./sdk-import.ts";
import { smallPieces, streamInput, streamThroughput } from "./program-streams.ts";
import {
  terminalEcho,
  terminalEchoBesideOutput,
  terminalEchoBusy,
  terminalEchoOtherBusy,
} from "./terminal-echo.ts";
import { download, upload } from "./transfers.ts";

/** Every row of the table, in its order. */
export const rows: readonly Row[] = [
  createToAnswer,
  createAnswered,
  createPooled,
  createPooledAnswered,
  createPooledToExec,
  createToExec,
  execRoundTrip,
  thirdShell,
  secondPython,
  execOverhead,
  sdkExec,
  clientExec,
  destroy,
  pause,
  resume,
  resumeToExec,
  resumeParked,
  resumePacked,
  checkpointStop,
  fork,
  forkToExec,
  createFromBuilt,
  printFromPython,
  buildUnchanged,
  buildLastStep,
  buildStepOverhead,
  buildSettling,
  buildFreezing,
  buildSmokeTest,
  buildEnd,
  imageImport,
  imageImportMemory,
  idleMemory,
  idleProcessor,
  pausedProcesses,
  terminalEcho,
  terminalEchoJoinedHost,
  terminalEchoBesideOutput,
  terminalEchoBusy,
  terminalEchoOtherBusy,
  terminalEchoSaturatedPort,
  terminalEchoOtherSaturated,
  streamThroughput,
  smallPieces,
  streamInput,
  upload,
  download,
  portProxy,
  e2bCreateToRun,
  e2bRun,
  e2bWrite,
  e2bRead,
  e2bParallel,
  halfOpenMemory,
  requestBesideHalfOpen,
  webSocketMemory,
  eventLatency,
  slotFromPool,
  slotMade,
  policyChange,
  readThroughput,
  readLatency,
  listThousand,
  listByMetadata,
  createThroughput,
  memoryUnderLoad,
  idleStreams,
  restart,
  dashboardFirstLoad,
  dashboardInteractive,
  dashboardLongestTask,
  dashboardEcho,
  dashboardOutput,
  dashboardKeyBesideFlood,
  sdkImport,
  clientRun,
  clientHelp,
  clientCopy,
];
