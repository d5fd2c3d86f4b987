import { formatId } from "@wrenn/core";
import type { ApiKeyAuth } from "../accounts/api-key-auth.ts";
import type { Sessions } from "../accounts/sessions.ts";
import type { PortLinks } from "../ports/port-links.ts";
import type { PortsService } from "../ports/ports.ts";
import type { Revocation } from "./access-grants.ts";

/** What remembers access for a moment. */
export interface RememberedAccess {
  readonly apiKeyAuth: Pick<ApiKeyAuth, "forget">;
  readonly sessions: Pick<Sessions, "forget">;
  readonly links: Pick<PortLinks, "forget">;
  readonly ports: Pick<PortsService, "accessChanged">;
}

/**
 * Lets a revocation count at once, and everything be looked up again when some may have been missed. What a revocation does not name stays
 * known: a team that revokes all the time costs others nothing.
 */
export function forgetRevoked(
  revocation: Revocation | undefined,
  { apiKeyAuth, sessions, links, ports }: RememberedAccess,
): void {
  if (!revocation) {
    for (const remembered of [apiKeyAuth, sessions, links]) remembered.forget();
    return;
  }
  const { kind, id } = revocation;
  if (kind === "key" || kind === "team") apiKeyAuth.forget({ kind, id });
  if (kind === "session" || kind === "user" || kind === "team") sessions.forget({ kind, id });
  if (kind === "link") links.forget(formatId("portLink", id));
  if (kind === "ports") ports.accessChanged(id);
}
