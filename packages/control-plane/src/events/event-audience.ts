import type { EventRow } from "@wrenn/database";
import type { Identity } from "../http/identity.ts";
import { eventKindsByName } from "./event-kinds.ts";

/** Whether an identity may receive an event of its team: never more than the API shows to it elsewhere. */
export function mayReceive(identity: Identity, { type, data }: EventRow): boolean {
  const audience = eventKindsByName.get(type)?.audience;
  if (audience === "team") return true;
  const { session } = identity;
  if (!session || audience === undefined) return false;
  return audience === "people" || session.role !== "member" || data["created_by"] === session.userId;
}

/** Whether an event changes what an identity may receive: its stream ends, and is opened again with what holds then. */
export function changesAudience({ session }: Identity, row: EventRow): boolean {
  return row.type === "member.role_changed" && session?.userId === row.resource_id;
}

/** Kinds of which an identity may receive some events. */
export function receivableKinds({ session }: Identity): readonly string[] {
  return [...eventKindsByName].flatMap(([name, { stored, audience }]) =>
    stored && (session || audience === "team") ? [name] : [],
  );
}
