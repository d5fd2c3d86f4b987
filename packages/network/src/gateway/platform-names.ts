import type { Question } from "dns-packet";
import { GUEST_GATEWAY } from "../slot.ts";
import { RCODE } from "./dns-reply.ts";
import type { Reply } from "./dns-reply.ts";

/** Names of the platform's own services, which every guest finds at its gateway. */
const NAMES: ReadonlySet<string> = new Set(["events.e2b.local"]);
/** Never changes: a snapshot may remember it. */
const TTL_SEC = 3600;

/**
 * The answer for a name of the platform, which no policy judges and no resolver knows; undefined for any other name.
 *
 * It takes no file of the guest, which may be read-only, and holds for images of any kind.
 */
export function platformReply({ name, type }: Question): Reply | undefined {
  if (!NAMES.has(name.toLowerCase().replace(/\.$/, ""))) return undefined;
  if (type !== "A") return { code: RCODE.ok };
  return { code: RCODE.ok, answers: [{ type: "A", name, ttl: TTL_SEC, data: GUEST_GATEWAY }] };
}
