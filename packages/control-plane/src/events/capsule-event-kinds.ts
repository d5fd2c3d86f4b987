import { Type } from "typebox";
import { CapsuleState, DiskResource, NoData, OutOfMemory, Problem } from "./event-data.ts";
import type { EventKind } from "./event-kind.ts";

const kept = { stored: true, audience: "team" } as const;

/** Kinds of events of capsules: see `event-kinds.ts`. */
export const capsuleEventKinds = {
  "capsule.created": {
    ...kept,
    summary: "The capsule runs for the first time",
    resource: "sandbox",
    data: CapsuleState,
    since: "0.1.0",
  },
  "capsule.running": {
    ...kept,
    summary: "The capsule runs again: resumed, or its host is back",
    resource: "sandbox",
    data: CapsuleState,
    since: "0.1.0",
  },
  "capsule.paused": {
    ...kept,
    summary: "The capsule is paused",
    resource: "sandbox",
    data: CapsuleState,
    since: "0.1.0",
  },
  "capsule.updated": {
    ...kept,
    summary: "Its name, metadata, timeouts or network policy was changed",
    resource: "sandbox",
    data: NoData,
    since: "0.2.0",
  },
  "capsule.destroyed": {
    ...kept,
    summary: "The capsule has ended",
    resource: "sandbox",
    data: CapsuleState,
    since: "0.1.0",
  },
  "capsule.failed": {
    ...kept,
    summary: "The capsule could not be started, or its machine crashed",
    resource: "sandbox",
    data: CapsuleState,
    since: "0.1.0",
  },
  "capsule.missing": {
    ...kept,
    summary: "The host of the capsule does not answer",
    resource: "sandbox",
    data: CapsuleState,
    since: "0.1.0",
  },
  "capsule.expiring": {
    ...kept,
    summary: "A rule removes the paused capsule in a day or later",
    resource: "sandbox",
    data: NoData,
    since: "0.1.0",
  },
  "capsule.stalled": {
    ...kept,
    summary: "The capsule stands still: its host has no room for what it writes",
    resource: "sandbox",
    data: Type.Object({ problem: Problem }),
    since: "0.1.0",
  },
  "capsule.continued": {
    ...kept,
    summary: "There is room again, and the capsule runs",
    resource: "sandbox",
    data: Type.Object({ problem: Problem }),
    since: "0.1.0",
  },
  "capsule.not_answering": {
    ...kept,
    summary: "The guest agent of the running capsule does not answer",
    resource: "sandbox",
    data: NoData,
    since: "0.2.0",
  },
  "capsule.answering": {
    ...kept,
    summary: "The guest agent answers again",
    resource: "sandbox",
    data: NoData,
    since: "0.2.0",
  },
  "capsule.out_of_memory": {
    ...kept,
    summary: "The memory of the capsule was full, and its kernel killed a process",
    resource: "sandbox",
    data: OutOfMemory,
    since: "0.2.0",
  },
  "capsule.disk_full": {
    ...kept,
    summary: "Less than 1 % of the capsule's disk, or of the files that it can hold, is free",
    resource: "sandbox",
    data: DiskResource,
    since: "0.2.0",
  },
  "capsule.disk_freed": {
    ...kept,
    summary: "At least 5 % of it is free again",
    resource: "sandbox",
    data: DiskResource,
    since: "0.2.0",
  },
  "capsule.forked": {
    ...kept,
    summary: "Other capsules were made of it",
    resource: "sandbox",
    data: NoData,
    since: "0.2.0",
  },
} as const satisfies Readonly<Record<string, EventKind>>;
