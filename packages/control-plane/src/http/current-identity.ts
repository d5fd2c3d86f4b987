import { AsyncLocalStorage } from "node:async_hooks";
import { formatId } from "@wrenn/core";
import type { Actor } from "@wrenn/database";
import type { Identity } from "./identity.ts";

const current = new AsyncLocalStorage<Identity>();

/** Runs `work` on behalf of an identity: it is the current one in everything that `work` begins. */
export function runWithIdentity<T>(identity: Identity, work: () => T): T {
  return current.run(identity, work);
}

/** The actor on whose behalf the current work runs; undefined outside requests. */
export function currentActor(): Actor | undefined {
  const identity = current.getStore();
  return identity && actorOf(identity);
}

/** The person, the API key, or the platform itself. */
export function actorOf({ session, key }: Identity): Actor {
  if (session) return { type: "user", id: formatId("user", session.userId), name: session.name };
  if (key) return { type: "api_key", id: formatId("apiKey", key.id), name: key.name };
  return { type: "system" };
}
