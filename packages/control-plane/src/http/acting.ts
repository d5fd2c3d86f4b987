import { AsyncLocalStorage } from "node:async_hooks";
import { formatId } from "@wrenn/core";
import type { Actor } from "@wrenn/database";
import type { Identity } from "./identity.ts";

const current = new AsyncLocalStorage<Identity>();

/** Everything that `work` begins is done for somebody. */
export function actingFor<T>(identity: Identity, work: () => T): T {
  return current.run(identity, work);
}

/** Who it is that something is being done for; undefined when it is nobody's request. */
export function presentActor(): Actor | undefined {
  const identity = current.getStore();
  return identity && actorOf(identity);
}

/** Person, key, or the platform itself. */
export function actorOf({ session, key }: Identity): Actor {
  if (session) return { type: "user", id: formatId("user", session.userId), name: session.name };
  if (key) return { type: "api_key", id: formatId("apiKey", key.id), name: key.name };
  return { type: "system" };
}
