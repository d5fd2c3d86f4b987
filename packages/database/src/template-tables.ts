import type { NetworkRules } from "@wrenn/protocol";
import type { ColumnType } from "kysely";
import type { TemplateSettings } from "./build-tables.ts";

/** Columns with a default may be left out on insert. */
type Defaulted<T> = ColumnType<T, T | undefined, T>;

/** A version of a template. */
export interface TemplatesTable {
  id: string;
  team_id: string;
  name: string;
  version: number;
  host_key: string;
  /** Host that its files lie on. */
  host_id: ColumnType<string | null, string, string>;
  vcpus: number;
  memory_mb: number;
  /** int8 comes as text from the driver. */
  size_bytes: ColumnType<string, number, number>;
  metadata: ColumnType<Record<string, string>, string | undefined, string>;
  disk_mb: Defaulted<number>;
  /** Names of the environment that its capsules start with; the values are on its host. */
  env_names: Defaulted<string[]>;
  default_user: ColumnType<string | null, string | null | undefined, string | null>;
  default_cwd: ColumnType<string | null, string | null | undefined, string | null>;
  settings: ColumnType<TemplateSettings, string | undefined, never>;
  /** What led to a version that a build has made. */
  build_key: ColumnType<string | null, string | null | undefined, never>;
  /** UUID of the capsule that it was made of; null for one that a build made. */
  made_of: ColumnType<string | null, string | null | undefined, never>;
  /** Null: the default. */
  network: ColumnType<NetworkRules | null, string | null | undefined, string | null>;
  created_at: Defaulted<Date>;
}

/** What all versions of a template share. */
export interface TemplateNamesTable {
  team_id: string;
  name: string;
  is_public: Defaulted<boolean>;
  last_version: Defaulted<number>;
  /** The person who made it, also by a key of theirs. */
  created_by: ColumnType<string | null, string | null | undefined, never>;
  /** Capsules that were started from it; int8 comes as text from the driver. */
  spawn_count: ColumnType<string, never, never>;
  last_spawned_at: ColumnType<Date | null, never, never>;
  created_at: Defaulted<Date>;
}

export interface TemplateTagsTable {
  team_id: string;
  name: string;
  tag: string;
  /** The version. */
  template_id: string;
  tagged_at: Defaulted<Date>;
}

export interface DiscardedTemplatesTable {
  host_key: string;
  host_id: string;
  due_at: Date;
  /** Null for what never had a name. */
  team_id: ColumnType<string | null, string | null | undefined, string | null>;
  size_bytes: ColumnType<string, number | undefined, number>;
}

export interface TemplateCopiesTable {
  host_key: string;
  host_id: string;
  created_at: Defaulted<Date>;
  used_at: Defaulted<Date>;
}
