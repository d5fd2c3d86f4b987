import { clientNetworks, defined, formatId, randomHex, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { deviceLoginQueries, sessionQueries } from "@wrenn/database";
import type { ApiKeyRow, Database, DeviceKey, DeviceLoginRow, LiveSession } from "@wrenn/database";
import type { ApiKeysService } from "../accounts/api-keys.ts";
import { clientMetadata } from "../accounts/client-details.ts";
import type { ClientDetails } from "../accounts/client-details.ts";
import { hashToken } from "../accounts/sessions.ts";
import type { OpenedSession, Sessions } from "../accounts/sessions.ts";
import type { AuditLog } from "../audit/audit.ts";

/** How long a code works. */
export const DEVICE_LOGIN_SEC = 600;
/** How long a device waits between two questions. A device that asks earlier waits this much longer from then on. */
const INTERVAL_SEC = 5;
/** Logins that wait, of all devices. */
const MAX_WAITING = 10_000;
const CODE_BYTES = 32;
const ATTEMPTS = 3;
/** RFC 8628 §6.1: no vowels, so that no words appear, and nothing that looks alike. 20⁸ codes. */
const ALPHABET = "BCDFGHJKLMNPQRSTVWXZ";
const USER_CODE_LENGTH = 8;
/** The largest multiple of the alphabet's length below 256: bytes from here on would favour some characters. */
const FAIR_BYTES = 240;

/** What a device that begins a login gets. */
export interface BegunDeviceLogin {
  readonly deviceCode: string;
  /** `WDJB-MJHT`: what the person compares, or types. */
  readonly userCode: string;
  readonly intervalSec: number;
}

/** What a person decides about. */
export interface WaitingDevice {
  readonly clientName: string;
  readonly address: string;
  readonly userAgent: string;
  readonly askedAt: Date;
  readonly expiresAt: Date;
  /** Without one, the device gets a login. */
  readonly apiKey: DeviceKey | undefined;
  /** Whether the device is in the network of the person's browser. */
  readonly isSameNetwork: boolean;
}

/** What an approved device gets. */
export type DeviceGrant =
  | { readonly kind: "session"; readonly opened: OpenedSession }
  | {
      readonly kind: "key";
      readonly row: ApiKeyRow;
      readonly key: string;
      /** Undefined for a key without an end. */
      readonly expiresInSec: number | undefined;
    };

export interface DeviceLoginsDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly random: Random;
  readonly apiKeys: ApiKeysService;
  readonly sessions: Sessions;
  readonly audit: AuditLog;
}

/**
 * Logins of devices without a browser (RFC 8628): the device shows a code, a person approves it in a browser, and the device gets a login
 * of that person, or an API key of their team. The database has the device code's hash only.
 */
export class DeviceLogins {
  readonly #deps: DeviceLoginsDeps;

  constructor(deps: DeviceLoginsDeps) {
    this.#deps = deps;
  }

  /** @throws WrennError `rate_limited` when too many logins wait. */
  async begin(
    clientName: string,
    apiKey: DeviceKey | undefined,
    client: ClientDetails,
  ): Promise<BegunDeviceLogin> {
    const { database, clock, random } = this.#deps;
    const now = clock.now();
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const deviceCode = randomHex(random, CODE_BYTES);
      const userCode = randomUserCode(random);
      const isBegun = await deviceLoginQueries.insertDeviceLogin(
        database.db,
        {
          hash: hashToken(deviceCode),
          userCode,
          clientName,
          address: client.address,
          userAgent: client.userAgent,
          apiKey,
          intervalSec: INTERVAL_SEC,
          createdAt: new Date(now),
          expiresAt: new Date(now + DEVICE_LOGIN_SEC * 1000),
        },
        MAX_WAITING,
      );
      if (isBegun) return { deviceCode, userCode: shown(userCode), intervalSec: INTERVAL_SEC };
    }
    throw new WrennError("rate_limited", { retry_after: 60 });
  }

  /** @throws WrennError `user_code_not_found`, `device_login_decided`. */
  async describe(userCode: string, client: ClientDetails): Promise<WaitingDevice> {
    const row = await this.#find(userCode);
    if (row.status !== "pending") throw new WrennError("device_login_decided", {});
    return {
      clientName: row.client_name,
      address: row.address,
      userAgent: row.user_agent,
      askedAt: row.created_at,
      expiresAt: row.expires_at,
      apiKey: row.api_key ?? undefined,
      isSameNetwork: clientNetworks(row.address).narrow === clientNetworks(client.address).narrow,
    };
  }

  /** Approves or denies the login of a device in the name of a person. @throws WrennError `user_code_not_found`, `device_login_decided`. */
  async decide(session: LiveSession, userCode: string, status: "approved" | "denied"): Promise<void> {
    const { database, clock, audit } = this.#deps;
    const decided = await database.db.transaction().execute(async (trx) => {
      const row = await deviceLoginQueries.decideDeviceLogin(trx, plain(userCode), {
        status,
        sessionId: session.id,
        teamId: session.teamId,
        now: new Date(clock.now()),
      });
      if (!row) return false;
      await audit.write(
        trx,
        { teamId: session.teamId, session },
        {
          resource: "user",
          resourceId: formatId("user", session.userId),
          action: status === "approved" ? "device_approve" : "device_deny",
          scope: "admin",
          metadata: {
            client: row.client_name,
            ...clientMetadata({ address: row.address, userAgent: row.user_agent }),
            grant: row.api_key ? "api_key" : "login",
          },
        },
      );
      return true;
    });
    if (decided) return;
    await this.#find(userCode);
    throw new WrennError("device_login_decided", {});
  }

  /**
   * What the device gets, once. An approval counts while the login of the person who gave it lives.
   *
   * @throws WrennError `device_pending`, `device_slow_down`, `device_code_expired`, `device_denied`, `device_code_invalid`, and those of
   *   {@link ApiKeysService.create}.
   */
  async claim(deviceCode: string, client: ClientDetails): Promise<DeviceGrant> {
    const { database, clock } = this.#deps;
    const { db } = database;
    const now = new Date(clock.now());
    const row = await deviceLoginQueries.findDeviceLogin(db, hashToken(deviceCode));
    if (!row) throw new WrennError("device_code_invalid", {});
    if (row.expires_at <= now) throw new WrennError("device_code_expired", {});
    if (row.status === "denied") throw new WrennError("device_denied", {});
    if (!(await deviceLoginQueries.askDeviceLogin(db, row, now, INTERVAL_SEC)))
      throw new WrennError("device_slow_down", { retry_after: row.interval_sec + INTERVAL_SEC });
    if (row.status === "pending" || row.session_id === null || row.team_id === null)
      throw new WrennError("device_pending", {});
    return row.api_key
      ? await this.#claimKey(row, row.api_key, row.session_id, row.team_id)
      : await this.#claimSession(row, row.session_id, row.team_id, client);
  }

  async #claimSession(
    { hash, client_name: clientName }: DeviceLoginRow,
    approvedBy: string,
    teamId: string,
    client: ClientDetails,
  ): Promise<DeviceGrant> {
    const { database, clock, sessions, audit } = this.#deps;
    const begun = await database.db.transaction().execute(async (trx) => {
      const now = new Date(clock.now());
      const approver = await sessionQueries.lockSession(trx, approvedBy, teamId, now);
      if (!(await deviceLoginQueries.takeApprovedDeviceLogin(trx, hash))) return "taken";
      if (!approver) return "denied";
      const login = await sessions.begin(trx, {
        userId: approver.userId,
        teamId,
        client,
        device: clientName,
      });
      await audit.write(
        trx,
        { teamId, session: login.session },
        {
          resource: "user",
          resourceId: formatId("user", approver.userId),
          action: "login",
          scope: "admin",
          metadata: { ...clientMetadata(client), device: clientName },
        },
      );
      return login;
    });
    if (begun === "taken") throw new WrennError("device_code_invalid", {});
    if (begun === "denied") throw new WrennError("device_denied", {});
    return { kind: "session", opened: await sessions.opened(begun) };
  }

  async #claimKey(
    { hash }: DeviceLoginRow,
    { name, scopes, expiresInSec }: DeviceKey,
    approvedBy: string,
    teamId: string,
  ): Promise<DeviceGrant> {
    const { database, clock, sessions, apiKeys } = this.#deps;
    const approver = await sessions.find(approvedBy, teamId);
    if (!(await deviceLoginQueries.takeApprovedDeviceLogin(database.db, hash)))
      throw new WrennError("device_code_invalid", {});
    if (!approver) throw new WrennError("device_denied", {});
    const expiresAt = expiresInSec === undefined ? undefined : new Date(clock.now() + expiresInSec * 1000);
    const made = await apiKeys.create(approver, { name, scopes, ...defined({ expiresAt }) });
    return { kind: "key", ...made, expiresInSec };
  }

  async #find(userCode: string): Promise<DeviceLoginRow> {
    const { database, clock } = this.#deps;
    const row = await deviceLoginQueries.findDeviceLoginByUserCode(
      database.db,
      plain(userCode),
      new Date(clock.now()),
    );
    if (!row) throw new WrennError("user_code_not_found", {});
    return row;
  }
}

function randomUserCode(random: Random): string {
  let code = "";
  while (code.length < USER_CODE_LENGTH) {
    for (const byte of Buffer.from(randomHex(random, USER_CODE_LENGTH), "hex"))
      if (byte < FAIR_BYTES && code.length < USER_CODE_LENGTH) code += ALPHABET[byte % ALPHABET.length];
  }
  return code;
}

function shown(userCode: string): string {
  return `${userCode.slice(0, 4)}-${userCode.slice(4)}`;
}

/** A code however a person types it. */
function plain(userCode: string): string {
  return userCode.toUpperCase().replaceAll(/[^A-Z]/g, "");
}
