import { defined, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { apiKeyQueries } from "@wrenn/database";
import type { ApiKeyScope, Database } from "@wrenn/database";
import { PLATFORM_TEAM } from "../http/identity.ts";
import { hashApiKey } from "./api-key-auth.ts";
import { newApiKey } from "./new-api-key.ts";
import type { ApiKeyForm } from "./new-api-key.ts";

interface KeyDeps {
  readonly clock: Clock;
  readonly random: Random;
}

interface KeptKey {
  readonly teamId: string;
  readonly name: string;
  readonly form: ApiKeyForm;
  readonly scopes?: readonly ApiKeyScope[];
}

/**
 * A key of the platform's team, with which the operator's command line builds templates for every team. Only the operator can read where
 * it is kept.
 *
 * @param kept - the key of the start before; it is replaced when the database does not have it, such as after a restore.
 */
export async function ensurePlatformKey(
  database: Database,
  deps: KeyDeps,
  kept: string | undefined,
): Promise<string> {
  const scopes = ["read", "run", "manage"] as const;
  const name = "Command line of a server's machine";
  return await ensureKey(database, deps, kept, { teamId: PLATFORM_TEAM, name, form: "wrenn", scopes });
}

/**
 * A key for clients of E2B on the machine of a server.
 *
 * @param kept - the key of the start before.
 * @param firstKey - a key of the team that it is for.
 * @throws WrennError `api_key_invalid` when `firstKey` is none any longer.
 */
export async function ensureE2bKey(
  database: Database,
  deps: KeyDeps,
  kept: string | undefined,
  firstKey: string,
): Promise<string> {
  const first = await apiKeyQueries.findApiKey(database.db, hashApiKey(firstKey), new Date(deps.clock.now()));
  if (!first) throw new WrennError("api_key_invalid", {});
  const name = "E2B clients of a server's machine";
  return await ensureKey(database, deps, kept, { teamId: first.teamId, name, form: "e2b" });
}

async function ensureKey(
  database: Database,
  { clock, random }: KeyDeps,
  kept: string | undefined,
  { teamId, name, form, scopes }: KeptKey,
): Promise<string> {
  if (kept !== undefined) {
    const known = await apiKeyQueries.findApiKey(database.db, hashApiKey(kept), new Date(clock.now()));
    if (known?.teamId === teamId) return kept;
  }
  const { key, prefix } = newApiKey(random, form);
  await apiKeyQueries.insertApiKey(database.db, {
    id: random.uuid(),
    hash: hashApiKey(key),
    prefix,
    teamId,
    name,
    ...defined({ scopes }),
  });
  return key;
}
