import { formatId } from "@wrenn/core";
import type { Revocation } from "./access-grants.ts";

/** What remembers access for a moment. */
export interface RememberedAccess {
  readonly apiKeyAuth: Remembered<"key" | "team">;
  readonly sessions: Remembered<"session" | "user" | "team">;
  readonly links: { readonly forget: (publicId?: string) => void };
  readonly ports: { readonly accessChanged: (capsuleId: string) => void };
}

interface Remembered<Kind> {
  readonly forget: (ended?: { readonly kind: Kind; readonly id: string }) => void;
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
