import { Wrenn } from "@wrenn/sdk";
import { createContext } from "svelte";
import type { CapsuleList } from "#lib/capsules/capsule-list.svelte.ts";
import type { Session } from "#lib/session/session.svelte.ts";
import { TeamEvents } from "./team-events.svelte.ts";

/** What pages of a team work with, given by the layout around them; another team has others. */
export interface TeamWork {
  readonly wrenn: Wrenn;
  readonly events: TeamEvents;
  readonly capsules: CapsuleList;
}

export const [useTeamWork, provideTeamWork] = createContext<() => TeamWork>();

/** A server says something at least every 15 s. */
const SILENCE_MS = 35_000;

/** What happens in the team that a person acts in. */
export function teamEventsOf(session: Session): TeamEvents {
  return new TeamEvents(followingWrenn(session), async () => await session.renew());
}

/** The same for streams of events: a connection that breaks is seen at once, and made again by their listener. */
function followingWrenn(session: Session): Wrenn {
  const { accessToken, server } = session;
  return new Wrenn({ url: server.url, accessToken, resumeMs: 0, retries: 0, silenceMs: SILENCE_MS });
}

/** The API with the token of the login, renewed as it is needed. A page that is kept open resumes its streams after any time. */
export function wrennOf(session: Session): Wrenn {
  const { accessToken, server } = session;
  return new Wrenn({ url: server.url, accessToken, resumeMs: Infinity, silenceMs: SILENCE_MS });
}
