import type { ColumnType } from "kysely";

type Stamp = ColumnType<Date, Date | undefined, Date>;
type Nullable<T> = ColumnType<T | null, T | null | undefined, T | null>;

export type HostType = "regular" | "byoc";
export type HostStatus = "pending" | "online" | "unreachable" | "draining" | "offline";

export interface HostsTable {
  id: string;
  type: HostType;
  team_id: Nullable<string>;
  provider: Nullable<string>;
  availability_zone: Nullable<string>;
  status: HostStatus;
  /** Where its agent listens; null for one in the process of a control plane. */
  address: Nullable<string>;
  arch: Nullable<string>;
  cpu_cores: Nullable<number>;
  memory_mb: Nullable<number>;
  disk_gb: Nullable<number>;
  cert_fingerprint: Nullable<string>;
  cert_expires_at: Nullable<Date>;
  registered_from: Nullable<string>;
  credentials_epoch: ColumnType<number, number | undefined, number>;
  last_heartbeat_at: Nullable<Date>;
  created_by: Nullable<string>;
  created_at: Stamp;
  updated_at: Stamp;
  deleted_at: Nullable<Date>;
}

export interface HostTagsTable {
  host_id: string;
  tag: string;
}

export type HostTokenPurpose = "registration" | "refresh";

export interface HostTokensTable {
  hash: string;
  host_id: string;
  purpose: HostTokenPurpose;
  created_at: Stamp;
  expires_at: Date;
}

export interface HostCertificatesTable {
  host_id: string;
  fingerprint: string;
  accepted_until: Date;
  created_at: Stamp;
}

export interface ControlPlanesTable {
  id: string;
  last_seen: Date;
}
