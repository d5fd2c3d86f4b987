import type { WrennEvent } from "@wrenn/sdk";

const REASONS: Readonly<Record<string, string>> = {
  idle: "it was idle",
  lifetime: "the time of its run was over",
  expired: "it was paused for long",
  failed: "it failed",
  host_unreachable: "its host did not answer",
  host_returned: "its host is back",
};
const TEXTS: Readonly<Record<string, string>> = {
  "capsule.created": "Created",
  "capsule.running": "Resumed",
  "capsule.paused": "Paused",
  "capsule.updated": "Settings changed",
  "capsule.destroyed": "Destroyed",
  "capsule.failed": "Failed",
  "capsule.missing": "Its host does not answer",
  "capsule.expiring": "Will be removed by a rule in a day or later",
  "capsule.stalled": "Stands still: its host has no room",
  "capsule.continued": "Runs: there is room again",
  "capsule.not_answering": "Does not answer",
  "capsule.answering": "Answers again",
  "capsule.out_of_memory": "Its memory was full",
  "capsule.disk_full": "Its disk is full",
  "capsule.disk_freed": "Its disk has room again",
  "capsule.forked": "Forked",
  "checkpoint.created": "Checkpoint created",
  "checkpoint.restored": "Checkpoint restored",
  "checkpoint.deleted": "Checkpoint deleted",
  "port.opened": "A program listens on port",
  "port.closed": "Nothing listens any longer on port",
  "port.link_created": "A link was made to port",
  "port.link_revoked": "A link was revoked to port",
};

/** The names of checkpoints by their ids, as the events of their creation have them: later events have ids only. */
export function checkpointNames(events: readonly WrennEvent[]): ReadonlyMap<string, string> {
  return new Map(
    events.flatMap(({ type, data, resource }) => {
      const id = resource?.id.split("/")[1];
      const { name } = data as { readonly name?: string };
      return type === "checkpoint.created" && id !== undefined && name ? [[id, name] as const] : [];
    }),
  );
}

/** What happened, in words; kinds that are not known here by their names. */
export function eventText(
  { type, data, resource }: WrennEvent,
  names: ReadonlyMap<string, string> = new Map(),
): string {
  const text = TEXTS[type] ?? type;
  const [, id, number] = resource?.id.split("/") ?? [];
  const part = id === undefined ? undefined : (names.get(id) ?? id);
  if (type === "port.access_changed")
    return `Port ${number} was made ${(data as { readonly access?: string }).access ?? "reachable"}`;
  if (number !== undefined) return `${text} ${number}${part === "tcp" ? "" : ` (${part})`}`;
  const { reason, problem } = data as { readonly reason?: unknown; readonly problem?: unknown };
  const why =
    typeof problem === "string" ? problem : typeof reason === "string" ? REASONS[reason] : undefined;
  return [part === undefined ? text : `${text}: ${part}`, ...(why === undefined ? [] : [why])].join(", ");
}
