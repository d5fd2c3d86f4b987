export type {
  GuestConfiguration,
  GuestCounters,
  GuestInfo,
  ListeningPort,
  QuiesceOptions,
} from "./guest-facts.ts";
export { GuestSession } from "./guest-session.ts";
export type { GuestSessionOptions } from "./guest-session.ts";
