import type { Row } from "../row.ts";
import { createToAnswer, createToExec, destroy } from "./capsule-life.ts";
import {
  createThroughput,
  listThousand,
  memoryUnderLoad,
  readLatency,
  readThroughput,
} from "./control-plane.ts";
import { idleMemory, pausedProcesses } from "./density.ts";
import { halfOpenMemory, requestBesideHalfOpen, webSocketMemory } from "./edge.ts";
import { eventLatency } from "./events.ts";
import { execOverhead, execRoundTrip } from "./exec.ts";
import { checkpointStop, fork, pause, resume } from "./freezing.ts";
import { createPooled, resumePacked } from "./prepared.ts";
import { policyChange, slotFromPool, slotMade } from "./network-slots.ts";
import { portProxy } from "./ports.ts";
import { terminalEchoJoinedHost } from "./joined-host.ts";
import { terminalEchoOtherSaturated, terminalEchoSaturatedPort } from "./saturated-port.ts";
import {
  download,
  streamThroughput,
  terminalEcho,
  terminalEchoBesideOutput,
  terminalEchoBusy,
  upload,
} from "./streams.ts";

/** Every row of the table, in its order. */
export const rows: readonly Row[] = [
  createToAnswer,
  createPooled,
  createToExec,
  execRoundTrip,
  execOverhead,
  destroy,
  pause,
  resume,
  resumePacked,
  checkpointStop,
  fork,
  idleMemory,
  pausedProcesses,
  terminalEcho,
  terminalEchoJoinedHost,
  terminalEchoBesideOutput,
  terminalEchoBusy,
  terminalEchoSaturatedPort,
  terminalEchoOtherSaturated,
  streamThroughput,
  upload,
  download,
  portProxy,
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
  createThroughput,
  memoryUnderLoad,
];
