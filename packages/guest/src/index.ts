export type {
  GuestConfiguration,
  GuestCounters,
  GuestInfo,
  GuestListeners,
  QuiesceOptions,
} from "./guest-facts.ts";
export { GuestLink } from "./guest-link.ts";
export type { GuestLinkOptions } from "./guest-link.ts";
