import type { EventJson } from "../events/event-json.ts";

type Resource = EventJson["resource"] | { readonly id: string; readonly type: "channel" };

/** What a channel is told: an event, or the test of a channel. */
export type Notification = Omit<EventJson, "resource"> & { readonly resource: Resource };

const nouns = {
  sandbox: "Capsule",
  checkpoint: "Checkpoint",
  port: "Port",
  snapshot: "Template",
  build: "Build",
  host: "Host",
  member: "Member",
  invitation: "Invitation",
  team: "Team",
  api_key: "API key",
  channel: "Channel",
} as const;

/** The text form (docs/reference/control-plane.md#channels): a summary, and one line for each fact. */
export function notificationText({ event, actor, resource, team_id: team, timestamp }: Notification): string {
  const what = event.slice(event.lastIndexOf(".") + 1);
  const who = [actor.type, actor.name ?? actor.id].filter((part) => part !== undefined).join(" ");
  return [
    `${nouns[resource.type]} ${resource.id} ${what}`,
    `Event: ${event}`,
    `Resource: ${resource.type} ${resource.id}`,
    `Actor: ${who}`,
    `Team: ${team}`,
    `Time: ${timestamp}`,
  ].join("\n");
}
