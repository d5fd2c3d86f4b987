import assert from "node:assert/strict";
import { after, test } from "node:test";
import { parseId, silentLogger, systemRandom } from "@wrenn/core";
import { AuditLog } from "../src/audit/audit.ts";
import { AuditRetention } from "../src/audit/audit-retention.ts";
import { TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());
const { clock, database } = platform;
const audit = new AuditLog(database, systemRandom, silentLogger);

async function fill(
  teamId: string,
  action: string,
  status: "info" | "success",
  count: number,
): Promise<void> {
  for (let n = 0; n < count; n++)
    await audit.writeAlone({ teamId }, { resource: "sandbox", action: `${action}-${n}`, status });
}

async function actionsOf(teamId: string): Promise<readonly string[]> {
  const rows = database.db.selectFrom("audit_log").select("action").where("team_id", "=", teamId);
  return (await rows.orderBy("seq").execute()).map(({ action }) => action);
}

async function prune(limits: { readonly days: number; readonly entries: number }): Promise<void> {
  const retention = new AuditRetention({ database, clock, logger: silentLogger }, limits);
  await retention.prune();
  retention.close();
}

test("a team keeps its newest entries; a flood of routine ones displaces neither the others nor those of other teams", async () => {
  const flooding = parseId("team", (await platform.person("flooding")).teamId);
  const quiet = parseId("team", (await platform.person("quiet")).teamId);
  await database.db.deleteFrom("audit_log").execute();
  await fill(quiet, "made", "success", 4);
  await fill(flooding, "made", "success", 3);
  await fill(flooding, "ran", "info", 30);
  const failed = { resource: "user", action: "login_failed", status: "warning" } as const;
  for (let n = 0; n < 10; n++) await audit.writeAlone({ teamId: quiet }, failed);
  await prune({ days: 366, entries: 5 });
  assert.deepEqual(
    (await actionsOf(quiet)).slice(4),
    Array.from({ length: 5 }, () => failed.action),
  );
  assert.deepEqual((await actionsOf(quiet)).slice(0, 4), ["made-0", "made-1", "made-2", "made-3"]);
  assert.deepEqual(await actionsOf(flooding), [
    "made-0",
    "made-1",
    "made-2",
    "ran-25",
    "ran-26",
    "ran-27",
    "ran-28",
    "ran-29",
  ]);
  await fill(flooding, "more", "success", 4);
  await prune({ days: 366, entries: 5 });
  const kept = (await actionsOf(flooding)).filter((action) => !action.startsWith("ran"));
  assert.deepEqual(kept, ["made-1", "made-2", "more-0", "more-1", "more-2", "more-3"].slice(1));
});

test("entries are deleted after the days that are set", async () => {
  const team = parseId("team", (await platform.person("ageing")).teamId);
  await fill(team, "old", "success", 2);
  await prune({ days: 30, entries: 1000 });
  assert.ok((await actionsOf(team)).length >= 2);
  clock.advance(31 * 86_400_000);
  await prune({ days: 30, entries: 1000 });
  assert.deepEqual(await actionsOf(team), []);
});

test("a database that fails loses routine entries with a line in the log, and fails no request", async () => {
  const lost: string[] = [];
  const logger = { ...silentLogger, error: (event: string) => void lost.push(event) };
  const broken = new AuditLog(database, systemRandom, logger);
  // A team that there is not.
  broken.recordRoutine(
    { teamId: systemRandom.uuid() },
    { resource: "sandbox", action: "exec", status: "info" },
  );
  await broken.close();
  assert.deepEqual(lost, ["audit.entry_lost"]);
});
