import { ObservedCapsules } from "./capsules/capsule-activity.ts";
import type { CapsuleRows } from "./capsules/capsule-rows.ts";
import type { EventRoutesDeps } from "./events/event-routes.ts";
import { LiveActivity } from "./events/live-activity.ts";
import type { Fleet } from "./hosts/fleet.ts";

export interface EventsOfCapsulesDeps extends Omit<EventRoutesDeps, "activity" | "findCapsule"> {
  readonly rows: CapsuleRows;
  readonly fleet: Fleet;
}

/** What routes of events use, with capsules found by their names and observed on their hosts. */
export function eventsOfCapsules({ rows, fleet, ...deps }: EventsOfCapsulesDeps): EventRoutesDeps {
  const { clock, logger } = deps;
  return {
    ...deps,
    activity: new LiveActivity({ source: new ObservedCapsules({ rows, fleet }), clock, logger }),
    findCapsule: async (teamId, named) => (await rows.get(teamId, await rows.resolve(teamId, named))).id,
  };
}
