import { defined, formatId } from "@wrenn/core";
import type { ProcessFacts } from "@wrenn/protocol";
import { exitJson } from "../http/exit-json.ts";
import type { ActivityChange } from "./activity-changes.ts";
import type { EventJson } from "./event-json.ts";

const CMD_LENGTH = 200;
/** The last moment that a `Date` can hold. */
const LATEST_MS = 8.64e15;

/** Something that a capsule did, as an event. It is not known who asked for it. */
export function liveEventJson(
  change: ActivityChange,
  { teamId, capsule, at }: { readonly teamId: string; readonly capsule: string; readonly at: number },
): EventJson {
  return {
    event: change.type,
    timestamp: new Date(at).toISOString(),
    team_id: formatId("team", teamId),
    actor: { type: "system" },
    resource: { id: capsule, type: "sandbox" },
    data: dataOf(change),
  };
}

function dataOf(change: ActivityChange): EventJson["data"] {
  switch (change.type) {
    case "process.started": {
      const { terminal, startedAt } = change.process;
      return { ...processData(change.process), terminal, started_at: timeOf(startedAt) };
    }
    case "process.exited": {
      const { exit } = change.process;
      return {
        ...processData(change.process),
        ...(exit && exitJson(exit)),
      };
    }
    case "network.decision": {
      const { kind, subject, verdict, reason, count, at } = change.decision;
      return { kind, subject, verdict, reason, count, at: timeOf(at) };
    }
  }
}

/** Never arguments, which can be secrets. */
function processData({ pid, tag, cmd }: ProcessFacts): Readonly<Record<string, string | number>> {
  return { pid, ...defined({ tag }), cmd: cmd.slice(0, CMD_LENGTH) };
}

/** A time as a host reports it, which may be any number. */
function timeOf(ms: number): string {
  return new Date(Math.min(Math.max(ms, 0) || 0, LATEST_MS)).toISOString();
}
