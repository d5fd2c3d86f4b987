import type { ColumnType, Generated } from "kysely";

/** A time that the database sets. */
type Stamp = ColumnType<Date, Date | undefined, Date>;

/** What a key may do: look, use capsules, or change everything of the team. */
export type ApiKeyScope = "read" | "run" | "manage" | "ports" | "egress";

export type UserStatus = "inactive" | "active" | "disabled" | "deleted";
export type Role = "owner" | "admin" | "member";

export interface UsersTable {
  id: string;
  email: string;
  name: string;
  /** Null for people who sign in by a provider only. */
  password_hash: string | null;
  status: UserStatus;
  is_admin: ColumnType<boolean, boolean | undefined, boolean>;
  created_at: Stamp;
  deleted_at: ColumnType<Date | null, never, Date>;
}

export interface MembershipsTable {
  user_id: string;
  team_id: string;
  role: Role;
  is_default: ColumnType<boolean, boolean | undefined, boolean>;
  joined_at: Stamp;
}

export interface SessionsTable {
  id: string;
  user_id: string;
  team_id: string;
  address: ColumnType<string, string | undefined, string>;
  user_agent: ColumnType<string, string | undefined, string>;
  /** Name of the device whose login a person approved. */
  device: ColumnType<string | null, string | null | undefined, never>;
  /** OAuth client id of the program that redirected a browser to itself; null for other logins. */
  oauth_client: ColumnType<string | null, string | null | undefined, never>;
  created_at: Stamp;
  /** When its token was last renewed. */
  last_used_at: Stamp;
  expires_at: Date;
  revoked_at: ColumnType<Date | null, never, Date>;
}

export interface RefreshTokensTable {
  hash: string;
  session_id: string;
  created_at: Stamp;
  used_at: ColumnType<Date | null, never, Date>;
}

export type TokenPurpose = "activation" | "password_reset" | "bootstrap" | "browser_link" | "browser_login";

export interface OneTimeTokensTable {
  hash: string;
  purpose: TokenPurpose;
  user_id: string | null;
  expires_at: Date;
  browser_hash: string | null;
  /** Login of the program that made it. */
  session_id: ColumnType<string | null, string | null | undefined, never>;
}

/** Somebody at a provider, and who that is here. */
export interface UserIdentitiesTable {
  provider: string;
  issuer: string;
  subject: string;
  user_id: string;
  email: string;
  created_at: Stamp;
}

export type SignInIntent = "login" | "signup" | "connect";

export interface SignInAttemptsTable {
  hash: string;
  provider: string;
  intent: SignInIntent;
  session_id: string | null;
  expires_at: Date;
}

/** An API key that a device asks for. */
export interface DeviceKey {
  readonly name: string;
  readonly scopes: readonly ApiKeyScope[];
  readonly expiresInSec?: number;
}

export interface DeviceLoginsTable {
  hash: string;
  user_code: string;
  client_name: string;
  address: string;
  user_agent: string;
  /** JSON on insert. */
  api_key: ColumnType<DeviceKey | null, string | null, never>;
  status: ColumnType<DeviceLoginStatus, DeviceLoginStatus | undefined, DeviceLoginStatus>;
  session_id: string | null;
  team_id: string | null;
  interval_sec: number;
  asked_at: Date | null;
  created_at: Date;
  expires_at: Date;
}

type DeviceLoginStatus = "pending" | "approved" | "denied";

export interface SigningKeysTable {
  kid: string;
  secret: Buffer;
  requires_audience: ColumnType<boolean, boolean | undefined, boolean>;
  created_at: Stamp;
}

export interface InvitationsTable {
  id: string;
  team_id: string;
  email: string;
  role: "admin" | "member";
  invited_by: string;
  created_at: Stamp;
  expires_at: Date;
}

export interface AuditLogTable {
  /** int8 comes as text from the driver. */
  seq: Generated<string>;
  id: string;
  team_id: string;
  actor_type: "user" | "api_key" | "system";
  actor_id: string | null;
  actor_name: string | null;
  resource_type: string;
  resource_id: string | null;
  action: string;
  scope: "team" | "admin";
  status: "success" | "info" | "warning" | "error";
  metadata: ColumnType<Record<string, string>, string, never>;
  created_at: Stamp;
}
