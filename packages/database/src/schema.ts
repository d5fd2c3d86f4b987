import type { LifetimeEnd, NetworkRules, ListeningPort } from "@wrenn/protocol";
import type { ColumnType, Generated, Kysely, Transaction } from "kysely";
import type {
  ApiKeyScope,
  AuditLogTable,
  DeviceLoginsTable,
  InvitationsTable,
  MembershipsTable,
  OneTimeTokensTable,
  RefreshTokensTable,
  SessionsTable,
  SignInAttemptsTable,
  SigningKeysTable,
  UserIdentitiesTable,
  UsersTable,
} from "./account-tables.ts";
import type {
  AnnouncedBuildsTable,
  BuildArchiveChunksTable,
  BuildArchivesTable,
  BuildFilesTable,
  BuildLinesTable,
  BuildsTable,
  BuildStepsTable,
} from "./build-tables.ts";
import type { Ingress, OutOfMemoryRow } from "./capsule-columns.ts";
import type { ChannelsTable, DeliveriesTable } from "./channel-tables.ts";
import type { Actor, EventHorizonTable, EventsTable, TeamEventHorizonsTable } from "./event-tables.ts";
import type {
  DiscardedTemplatesTable,
  TemplateCopiesTable,
  TemplateNamesTable,
  TemplatesTable,
  TemplateTagsTable,
} from "./template-tables.ts";
import type { MailsTable } from "./mail-tables.ts";
import type {
  ControlPlanesTable,
  HostCertificatesTable,
  HostsTable,
  HostTagsTable,
  HostTokensTable,
} from "./host-tables.ts";

/** How far the copy of a template is that a capsule waits for. */
export interface TemplateCopyProgress {
  readonly phase: "copying_template";
  readonly done_bytes: number;
  readonly total_bytes: number;
}

/** Columns with a default may be left out on insert. */
type Defaulted<T> = ColumnType<T, T | undefined, T>;

export interface TeamsTable {
  id: string;
  name: string;
  slug: string;
  max_capsules: Defaulted<number>;
  max_vcpus: Defaulted<number>;
  max_memory_mb: Defaulted<number>;
  max_templates: Defaulted<number>;
  max_channels: Defaulted<number>;
  /** That have not ended. */
  max_builds: Defaulted<number>;
  max_storage_mb: Defaulted<number>;
  /** Of all capsules of the team. */
  max_checkpoints: Defaulted<number>;
  /** Of one capsule. */
  max_capsule_checkpoints: Defaulted<number>;
  /** How long saved states are kept; 0: as the installation says. */
  keep_checkpoints: Defaulted<number>;
  keep_checkpoint_days: Defaulted<number>;
  keep_paused_days: Defaulted<number>;
  /** Its capsules run on hosts of its own only. */
  is_byoc: Defaulted<boolean>;
  /** Whether ports of its capsules can be public. */
  allows_public_ports: Defaulted<boolean>;
  created_at: Defaulted<Date>;
  deleted_at: Date | null;
}

export interface ApiKeysTable {
  id: string;
  team_id: string;
  name: string;
  key_hash: string;
  key_prefix: string;
  created_at: Defaulted<Date>;
  last_used: Date | null;
  created_by: ColumnType<string | null, string | null | undefined, never>;
  scopes: Defaulted<ApiKeyScope[]>;
  expires_at: ColumnType<Date | null, Date | null | undefined, never>;
  /** The login that the key was made for, and ends with. */
  session_id: ColumnType<string | null, string | null | undefined, never>;
}

export type CapsuleRowStatus =
  | "pending"
  | "starting"
  | "running"
  | "paused"
  | "hibernated"
  | "missing"
  | "stopped"
  | "error";

export interface CapsulesTable {
  id: string;
  team_id: string;
  /** Unique among the capsules of the team that have not ended. */
  name: ColumnType<string | null, string | null | undefined, string | null>;
  template: string;
  status: CapsuleRowStatus;
  vcpus: number;
  memory_mb: number;
  disk_mb: number;
  timeout_sec: number;
  /** Seconds that it may run at a stretch, whether or not it is in use; 0: no end. */
  max_lifetime_sec: Defaulted<number>;
  /** Since its creation or its last resume; null while it does not run. */
  running_since: ColumnType<Date | null, Date | null | undefined, Date | null>;
  /** Where it was placed; null only for rows of releases that knew one host. */
  host_id: ColumnType<string | null, string | undefined, string>;
  host_ip: string | null;
  problem: string | null;
  /** Versions of what runs it. */
  metadata: ColumnType<Record<string, string>, string | undefined, string>;
  /** What its team says about it. */
  user_metadata: ColumnType<Record<string, string>, string | undefined, string>;
  /** Names of its default environment; the values are on its host. */
  env_names: Defaulted<string[]>;
  default_user: ColumnType<string | null, string | null | undefined, never>;
  default_cwd: ColumnType<string | null, string | null | undefined, never>;
  on_lifetime_end: Defaulted<LifetimeEnd>;
  /** Where the end of its present run was moved to. */
  extended_until: ColumnType<Date | null, never, Date | null>;
  auto_resume: Defaulted<boolean>;
  /** Null: its ports are private unless they were made public one by one. */
  ingress: ColumnType<Ingress | null, string | null | undefined, never>;
  network: ColumnType<NetworkRules | null, string | null | undefined, string | null>;
  /** What it occupies on its host, as that reported last; int8 comes as text from the driver. */
  storage_bytes: ColumnType<string, number | undefined, number>;
  checkpoints: Defaulted<number>;
  /** Set by the database; null for one that is not paused. */
  paused_since: ColumnType<Date | null, never, never>;
  /** What its pause has kept; null while it is not paused, and for pauses of earlier releases. */
  kept: ColumnType<"memory" | "disk" | null, undefined, "memory" | "disk" | null>;
  /** How its disk was when the running machine was booted from it; null when it runs on from frozen memory. */
  disk_at_boot: ColumnType<"clean" | "checked" | null, undefined, "clean" | "checked" | null>;
  /** How far what it waits for is, as it was last recorded; of use while it is being created. */
  progress: ColumnType<TemplateCopyProgress | null, undefined, string | null>;
  /** Null while its guest answers, and while it does not run; set to null by the database when its status changes. */
  health: ColumnType<"not_answering" | null, undefined, "not_answering" | null>;
  /** What the disk of its guest has none of; null for nothing. */
  full_disk: ColumnType<
    "space" | "files" | "space,files" | null,
    undefined,
    "space" | "files" | "space,files" | null
  >;
  /** The last time that its memory was full. */
  out_of_memory: ColumnType<OutOfMemoryRow | null, undefined, string>;
  /** Milliseconds of the phases of the operation that brought it to its state; null where it was none. */
  phases: ColumnType<Readonly<Record<string, number>> | null, undefined, string | null>;
  version: Generated<number>;
  created_at: Defaulted<Date>;
  started_at: Date | null;
  last_active_at: Date | null;
  last_updated: Defaulted<Date>;
}

export type OperationKind =
  | "create"
  | "destroy"
  | "pause"
  | "resume"
  | "checkpoint"
  | "restore"
  | "fork"
  | "snapshot";

export interface OperationsTable {
  id: string;
  sandbox_id: string;
  kind: OperationKind;
  state: Defaulted<"running" | "succeeded" | "failed">;
  problem: string | null;
  /** Control plane that runs it. */
  owner: ColumnType<string | null, string, never>;
  /** Who asked for it. */
  actor: ColumnType<Actor | null, string | null | undefined, never>;
  /** The most that it may add to what its team stores. */
  claimed_bytes: ColumnType<string, number | undefined, never>;
  claimed_checkpoints: Defaulted<number>;
  created_at: Defaulted<Date>;
  finished_at: Date | null;
}

export interface ExpiryWarningsTable {
  sandbox_id: string;
  /** Empty for the paused capsule itself. */
  checkpoint: string;
  warned_at: Date;
}

export interface PortAccessTable {
  sandbox_id: string;
  port: number;
  access: "public" | "private";
}

/** What listens in a capsule, as its host reported it last. */
export interface ListeningPortsTable {
  sandbox_id: string;
  /** Milliseconds since the Unix epoch; int8 comes as text from the driver. */
  seen_at: ColumnType<string, number, number>;
  ports: ColumnType<readonly ListeningPort[], string, string>;
  unlisted: number;
}

/** A signed link to a port; its token carries the id. */
export interface PortLinksTable {
  id: string;
  sandbox_id: string;
  port: number;
  team_id: string;
  /** The person that made it; null for a link of an API key. */
  created_by: string | null;
  /** The API key that made it. */
  api_key_id: string | null;
  created_at: Defaulted<Date>;
  expires_at: Date;
}

export interface SecretsTable {
  name: string;
  value: Buffer;
  created_at: Defaulted<Date>;
}

export interface IdempotencyKeysTable {
  team_id: string;
  key: string;
  fingerprint: string;
  sandbox_id: string;
  created_at: Defaulted<Date>;
}

export interface UnansweredCreatesTable {
  sandbox_id: string;
  owner: string;
  answering: Defaulted<boolean>;
  due_at: Date | null;
  created_at: Date;
}

export interface UsageSamplesTable {
  team_id: string;
  sampled_at: Date;
  running_count: number;
  vcpus_reserved: number;
  memory_mb_reserved: number;
}

export interface DailyUsageTable {
  team_id: string;
  /** A date as text, `YYYY-MM-DD`. */
  day: string;
  cpu_minutes: number;
  ram_mb_minutes: number;
}

/** The database as kysely sees it. */
export interface Schema {
  teams: TeamsTable;
  api_keys: ApiKeysTable;
  sandboxes: CapsulesTable;
  operations: OperationsTable;
  templates: TemplatesTable;
  template_names: TemplateNamesTable;
  template_tags: TemplateTagsTable;
  builds: BuildsTable;
  build_steps: BuildStepsTable;
  build_lines: BuildLinesTable;
  announced_builds: AnnouncedBuildsTable;
  build_archives: BuildArchivesTable;
  build_files: BuildFilesTable;
  build_archive_chunks: BuildArchiveChunksTable;
  discarded_templates: DiscardedTemplatesTable;
  template_copies: TemplateCopiesTable;
  expiry_warnings: ExpiryWarningsTable;
  port_access: PortAccessTable;
  listening_ports: ListeningPortsTable;
  port_links: PortLinksTable;
  secrets: SecretsTable;
  idempotency_keys: IdempotencyKeysTable;
  unanswered_creates: UnansweredCreatesTable;
  usage_samples: UsageSamplesTable;
  daily_usage: DailyUsageTable;
  users: UsersTable;
  memberships: MembershipsTable;
  sessions: SessionsTable;
  refresh_tokens: RefreshTokensTable;
  one_time_tokens: OneTimeTokensTable;
  user_identities: UserIdentitiesTable;
  sign_in_attempts: SignInAttemptsTable;
  device_logins: DeviceLoginsTable;
  signing_keys: SigningKeysTable;
  invitations: InvitationsTable;
  audit_log: AuditLogTable;
  channels: ChannelsTable;
  deliveries: DeliveriesTable;
  events: EventsTable;
  mails: MailsTable;
  event_horizon: EventHorizonTable;
  team_event_horizons: TeamEventHorizonsTable;
  hosts: HostsTable;
  host_tags: HostTagsTable;
  host_tokens: HostTokensTable;
  host_certificates: HostCertificatesTable;
  control_planes: ControlPlanesTable;
}

/** What a query runs on: a pooled connection, or a transaction. */
export type Db = Kysely<Schema>;
/** What a query runs on that must be part of a transaction. */
export type Trx = Transaction<Schema>;
