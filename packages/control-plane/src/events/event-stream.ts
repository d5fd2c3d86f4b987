import type { Writable } from "node:stream";
import { Bell } from "@wrenn/core";
import type { EventRow } from "@wrenn/database";
import { writeToClient } from "../http/lasting-answer.ts";
import type { Identity } from "../http/identity.ts";
import { changesAudience, mayReceive } from "./event-audience.ts";
import type { EventFeed } from "./event-feed.ts";
import { eventJson } from "./event-json.ts";
import type { EventJson } from "./event-json.ts";
import type { SelectedKinds } from "./event-selection.ts";
import type { LiveActivity } from "./live-activity.ts";
import { LiveQueue } from "./live-queue.ts";
import type { GapJson } from "./live-queue.ts";

/** What a client asked for. */
export interface StreamRequest {
  readonly identity: Identity;
  readonly kinds: SelectedKinds;
  readonly capsule: { readonly id: string; readonly publicId: string } | undefined;
  readonly from: string;
  /** Whether the client was connected before, and missed what is not stored. */
  readonly isResumed: boolean;
}

export interface EventStreamDeps {
  readonly events: EventFeed;
  readonly activity: LiveActivity;
  readonly now: () => number;
}

/**
 * Writes events as server-sent events until the signal aborts, or until the client's rights change.
 *
 * @throws the signal's reason, or an error of the database.
 */
export async function streamEvents(
  response: Writable,
  { identity, kinds, capsule, from, isResumed }: StreamRequest,
  { events, activity, now }: EventStreamDeps,
  signal: AbortSignal,
): Promise<void> {
  const { teamId } = identity;
  const wake = new Bell();
  const isChosen = (row: EventRow): boolean =>
    kinds.stored.has(row.type) &&
    (capsule === undefined || row.capsule_id === capsule.id) &&
    mayReceive(identity, row);
  let unwatch: (() => void) | undefined;
  let live: LiveQueue | undefined;
  try {
    if (capsule && kinds.live.size > 0) {
      live = new LiveQueue({ teamId, capsule: capsule.publicId, kinds: kinds.live, now, wake });
      if (isResumed) live.gap("not_stored");
      unwatch = await activity.watch(teamId, capsule.publicId, live.add);
    }
    // Where it begins: a client that reads the present state now misses nothing.
    await writeToClient(response, `: ${from}\n\n`, signal);
    let [sent, read] = [from, from];
    for await (const turn of events.follow(teamId, from, { wake, signal })) {
      const chosen = turn.events.filter(isChosen);
      read = turn.events.at(-1)?.id ?? read;
      sent = chosen.at(-1)?.id ?? sent;
      let text = chosen.map(storedText).join("") + (live?.take() ?? []).map(liveText).join("");
      if (turn.isQuiet) {
        // An id without data moves the place that a client resumes from past events that it did not choose.
        text += sent === read ? ": \n\n" : `: \nid: ${read}\n\n`;
        sent = read;
      }
      if (text !== "") await writeToClient(response, text, signal);
      if (turn.events.some((row) => changesAudience(identity, row))) return;
    }
  } finally {
    unwatch?.();
  }
}

function storedText(row: EventRow): string {
  return `id: ${row.id}\n${liveText(eventJson(row))}`;
}

function liveText(event: EventJson | GapJson): string {
  return `event: ${event.event}\ndata: ${JSON.stringify(event)}\n\n`;
}
