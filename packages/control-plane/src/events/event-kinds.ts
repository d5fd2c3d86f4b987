import { Type } from "typebox";
import { capsuleEventKinds } from "./capsule-event-kinds.ts";
import {
  Build,
  Checkpoint,
  CreatedBy,
  HostState,
  LinkOfPort,
  Name,
  NoData,
  Process,
  Role,
} from "./event-data.ts";
import type { EventKind } from "./event-kind.ts";

const kept = { stored: true, audience: "team" } as const;

/**
 * Every kind of event. The description of the API and the guide are made of this table. A new kind needs a row here, and code or a
 * trigger that emits it with `data` as described.
 */
export const eventKinds = {
  ...capsuleEventKinds,
  "port.opened": {
    ...kept,
    summary: "A process listens on a port of the capsule",
    resource: "port",
    data: NoData,
    since: "0.2.0",
  },
  "port.closed": {
    ...kept,
    summary: "No process listens on the port of the capsule any longer",
    resource: "port",
    data: NoData,
    since: "0.2.0",
  },
  "port.access_changed": {
    ...kept,
    summary: "It was set who may use the port of the capsule",
    resource: "port",
    data: Type.Object({ access: Type.Enum(["public", "private"]) }),
    since: "0.2.0",
  },
  "port.link_created": {
    ...kept,
    summary: "A link to the port of the capsule was made",
    resource: "port",
    data: LinkOfPort,
    since: "0.2.0",
  },
  "port.link_revoked": {
    ...kept,
    summary: "A link to the port of the capsule was revoked",
    resource: "port",
    data: LinkOfPort,
    since: "0.2.0",
  },
  "checkpoint.created": {
    ...kept,
    summary: "A checkpoint of the capsule was made",
    resource: "checkpoint",
    data: Checkpoint,
    since: "0.2.0",
  },
  "checkpoint.restored": {
    ...kept,
    summary: "The capsule was taken back to the checkpoint",
    resource: "checkpoint",
    data: NoData,
    since: "0.2.0",
  },
  "checkpoint.deleted": {
    ...kept,
    summary: "The checkpoint was deleted on request",
    resource: "checkpoint",
    data: NoData,
    since: "0.2.0",
  },
  "checkpoint.expiring": {
    ...kept,
    summary: "A rule removes the checkpoint in a day or later",
    resource: "checkpoint",
    data: NoData,
    since: "0.1.0",
  },
  "checkpoint.expired": {
    ...kept,
    summary: "A rule has removed the checkpoint",
    resource: "checkpoint",
    data: NoData,
    since: "0.1.0",
  },
  "template.snapshot.created": {
    ...kept,
    summary: "A template of the team was made",
    resource: "snapshot",
    data: NoData,
    since: "0.1.0",
  },
  "template.snapshot.deleted": {
    ...kept,
    summary: "A template of the team was deleted",
    resource: "snapshot",
    data: NoData,
    since: "0.1.0",
  },
  "build.pending": {
    ...kept,
    summary: "A build waits for its turn",
    resource: "build",
    data: Build,
    since: "0.2.0",
  },
  "build.running": {
    ...kept,
    summary: "A build has begun",
    resource: "build",
    data: Build,
    since: "0.2.0",
  },
  "build.success": {
    ...kept,
    summary: "A build has made its template",
    resource: "build",
    data: Build,
    since: "0.2.0",
  },
  "build.failed": {
    ...kept,
    summary: "A build has failed",
    resource: "build",
    data: Build,
    since: "0.2.0",
  },
  "build.cancelled": {
    ...kept,
    summary: "A build was cancelled",
    resource: "build",
    data: Build,
    since: "0.2.0",
  },
  "build.interrupted": {
    ...kept,
    summary: "A build ended with the control plane that ran it",
    resource: "build",
    data: Build,
    since: "0.2.0",
  },
  "host.created": {
    stored: true,
    audience: "people",
    summary: "A host was added, and has not registered yet",
    resource: "host",
    data: HostState,
    since: "0.2.0",
  },
  "host.registered": {
    stored: true,
    audience: "people",
    summary: "The host has joined",
    resource: "host",
    data: HostState,
    since: "0.2.0",
  },
  "host.up": {
    stored: true,
    audience: "people",
    summary: "The host answers again",
    resource: "host",
    data: NoData,
    since: "0.1.0",
  },
  "host.down": {
    stored: true,
    audience: "people",
    summary: "The host does not answer",
    resource: "host",
    data: NoData,
    since: "0.1.0",
  },
  "host.draining": {
    stored: true,
    audience: "people",
    summary: "The host gets no new capsules",
    resource: "host",
    data: HostState,
    since: "0.2.0",
  },
  "host.undrained": {
    stored: true,
    audience: "people",
    summary: "The host gets new capsules again",
    resource: "host",
    data: HostState,
    since: "0.2.0",
  },
  "host.deleted": {
    stored: true,
    audience: "people",
    summary: "The host was removed",
    resource: "host",
    data: HostState,
    since: "0.2.0",
  },
  "member.joined": {
    stored: true,
    audience: "people",
    summary: "A person became a member of the team",
    resource: "member",
    data: Type.Object({ role: Role }),
    since: "0.2.0",
  },
  "member.role_changed": {
    stored: true,
    audience: "people",
    summary: "A member has another role",
    resource: "member",
    data: Type.Object({ role: Role, previous: Role }),
    since: "0.2.0",
  },
  "member.removed": {
    stored: true,
    audience: "people",
    summary: "A person left the team, or was removed by `actor`",
    resource: "member",
    data: Type.Object({ role: Role }),
    since: "0.2.0",
  },
  "team.renamed": {
    stored: true,
    audience: "people",
    summary: "The team has another name",
    resource: "team",
    data: Type.Object({ name: Name }),
    since: "0.2.0",
  },
  "invitation.opened": {
    stored: true,
    audience: "keepers",
    summary: "A person was invited to the team, or invited again",
    resource: "invitation",
    data: Type.Object({ role: Role }),
    since: "0.2.0",
  },
  "invitation.closed": {
    stored: true,
    audience: "keepers",
    summary: "An invitation was accepted, declined or withdrawn",
    resource: "invitation",
    data: Type.Object({ role: Role }),
    since: "0.2.0",
  },
  "api_key.created": {
    stored: true,
    audience: "keepers",
    summary: "An API key was created",
    resource: "api_key",
    data: Type.Object({
      name: Name,
      scopes: Type.Array(Type.String()),
      created_by: CreatedBy,
      expires_at: Type.Optional(Type.String()),
    }),
    since: "0.2.0",
  },
  "api_key.revoked": {
    stored: true,
    audience: "keepers",
    summary: "An API key was revoked",
    resource: "api_key",
    data: Type.Object({ name: Name, created_by: CreatedBy }),
    since: "0.2.0",
  },
  "process.started": {
    stored: false,
    audience: "team",
    summary: "A process that was started through the API runs",
    resource: "sandbox",
    data: Type.Object({ ...Process, terminal: Type.Boolean(), started_at: Type.String() }),
    since: "0.2.0",
  },
  "process.exited": {
    stored: false,
    audience: "team",
    summary: "Such a process has exited",
    resource: "sandbox",
    data: Type.Object({
      ...Process,
      exit_code: Type.Optional(Type.Integer({ description: "Absent when it is not known" })),
      signal: Type.Optional(Type.Integer()),
      timed_out: Type.Optional(Type.Boolean({ description: "Its time limit was over" })),
    }),
    since: "0.2.0",
  },
  "network.decision": {
    stored: false,
    audience: "team",
    summary: "The rules of the capsule decided about a connection or a name",
    resource: "sandbox",
    data: Type.Object({
      kind: Type.String({ description: "name (DNS), server_name (TLS to port 443) or destination" }),
      subject: Type.String(),
      verdict: Type.Enum(["allowed", "denied"]),
      reason: Type.String(),
      count: Type.Integer({ description: "How often since the event before" }),
      at: Type.String(),
    }),
    since: "0.2.0",
  },
} as const satisfies Readonly<Record<string, EventKind>>;

/** The name of a kind of event. */
export type EventName = keyof typeof eventKinds;

/** Sent in a stream where events are missing: not an event of the team, and without an id. */
export const GAP = "events.gap";
export const GapData = Type.Object(
  {
    reason: Type.Enum(["not_stored", "too_many", "host_unreachable"], {
      description:
        "`not_stored`: the client was away. `too_many`: more happened than is sent. `host_unreachable`: the host of the capsule did not answer.",
    }),
    types: Type.Array(Type.String(), { description: "Kinds of which events are missing" }),
    dropped: Type.Optional(Type.Integer({ description: "How many, where that is known" })),
  },
  { description: "Events that are not stored are missing here: read the present state" },
);

const table: ReadonlyMap<string, EventKind> = new Map<string, EventKind>(Object.entries(eventKinds));

/** Every kind by name. */
export const eventKindsByName: ReadonlyMap<string, EventKind> = table;

const all = Object.keys(eventKinds).filter((name): name is EventName => table.has(name));

/** Kinds that notification channels can have: everyone who may see the channel may see them, and each is sent once. */
export const notifiedKinds: readonly EventName[] = all.filter((name) => {
  const { stored, audience }: EventKind = eventKinds[name];
  return stored && audience !== "keepers";
});
