import type { Selectable } from "kysely";
import type { DeviceKey, DeviceLoginsTable } from "../account-tables.ts";
import type { Db } from "../schema.ts";

export type DeviceLoginRow = Selectable<DeviceLoginsTable>;

export interface NewDeviceLogin {
  readonly hash: string;
  readonly userCode: string;
  readonly clientName: string;
  readonly address: string;
  readonly userAgent: string;
  readonly apiKey: DeviceKey | undefined;
  readonly intervalSec: number;
  readonly createdAt: Date;
  readonly expiresAt: Date;
}

/** @returns false when there are `most` already, or one with the same user code. */
export async function insertDeviceLogin(db: Db, login: NewDeviceLogin, most: number): Promise<boolean> {
  const waiting = await db
    .selectFrom("device_logins")
    .select((eb) => eb.fn.countAll<string>().as("count"))
    .where("expires_at", ">", login.createdAt)
    .executeTakeFirstOrThrow();
  if (Number(waiting.count) >= most) return false;
  const inserted = await db
    .insertInto("device_logins")
    .values({
      hash: login.hash,
      user_code: login.userCode,
      client_name: login.clientName,
      address: login.address,
      user_agent: login.userAgent,
      api_key: login.apiKey === undefined ? null : JSON.stringify(login.apiKey),
      interval_sec: login.intervalSec,
      created_at: login.createdAt,
      expires_at: login.expiresAt,
    })
    .onConflict((conflict) => conflict.doNothing())
    .executeTakeFirst();
  return (inserted.numInsertedOrUpdatedRows ?? 0n) > 0n;
}

/** The login that waits for its user code; none that is over. */
export async function findDeviceLoginByUserCode(
  db: Db,
  userCode: string,
  now: Date,
): Promise<DeviceLoginRow | undefined> {
  return await db
    .selectFrom("device_logins")
    .selectAll()
    .where("user_code", "=", userCode)
    .where("expires_at", ">", now)
    .executeTakeFirst();
}

export async function findDeviceLogin(db: Db, hash: string): Promise<DeviceLoginRow | undefined> {
  return await db.selectFrom("device_logins").selectAll().where("hash", "=", hash).executeTakeFirst();
}

/** Records the decision of a person; of several at once one is recorded. */
export async function decideDeviceLogin(
  db: Db,
  userCode: string,
  decision: {
    readonly status: "approved" | "denied";
    readonly sessionId: string;
    readonly teamId: string;
    readonly now: Date;
  },
): Promise<DeviceLoginRow | undefined> {
  return await db
    .updateTable("device_logins")
    .set({ status: decision.status, session_id: decision.sessionId, team_id: decision.teamId })
    .where("user_code", "=", userCode)
    .where("status", "=", "pending")
    .where("expires_at", ">", decision.now)
    .returningAll()
    .executeTakeFirst();
}

/**
 * Records that the client asked.
 *
 * @returns true when it waited its interval; otherwise its interval is longer from now on.
 */
export async function askDeviceLogin(
  db: Db,
  { hash, asked_at: before, interval_sec: interval }: DeviceLoginRow,
  now: Date,
  slowerSec: number,
): Promise<boolean> {
  const isEarly = before !== null && now.getTime() - before.getTime() < interval * 1000;
  await db
    .updateTable("device_logins")
    .set({ asked_at: now, ...(isEarly ? { interval_sec: interval + slowerSec } : {}) })
    .where("hash", "=", hash)
    .execute();
  return !isEarly;
}

/** Takes a login that was approved; of several who ask at once one gets it. */
export async function takeApprovedDeviceLogin(db: Db, hash: string): Promise<boolean> {
  const result = await db
    .deleteFrom("device_logins")
    .where("hash", "=", hash)
    .where("status", "=", "approved")
    .executeTakeFirst();
  return result.numDeletedRows > 0n;
}
