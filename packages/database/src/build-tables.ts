import type { ColumnType } from "kysely";
import type { Actor } from "./event-tables.ts";

type Defaulted<T> = ColumnType<T, T | undefined, T>;

/** `interrupted`: the control plane that ran the build ended. */
export type BuildStatus = "pending" | "running" | "success" | "failed" | "cancelled" | "interrupted";

/** What belongs to the recipe of a build, beside its text. */
export interface RecipeOptions {
  /** Name of the recipe in messages. */
  readonly file?: string;
  /** Values for ARG. */
  readonly args?: Readonly<Record<string, string>>;
  /** What of the archive is for which step, by their numbers. */
  readonly sources?: Readonly<
    Record<
      string,
      { readonly digest: string; readonly single: boolean; readonly archives: readonly string[] }
    >
  >;
  /** This step and those behind it are performed again. */
  readonly repeatFrom?: number;
  /** The base is an image of a registry or archive. */
  readonly fromImage?: true;
  /** Tags that the version gets besides that of the build. */
  readonly tags?: readonly string[];
  /** Where the archive is that has the image, and which one of its images that is. */
  readonly imageArchive?: { readonly hostId: string; readonly id: string; readonly image?: string };
}

/** What an image or a recipe says of its programs, and the platform hands on. */
export interface TemplateSettings {
  /** `SIGTERM`, or a number. */
  readonly stopSignal?: string;
  /** `8080/tcp`, sorted by their numbers. */
  readonly exposedPorts?: readonly string[];
  readonly labels?: Readonly<Record<string, string>>;
}

export interface BuildsTable {
  id: string;
  team_id: string;
  /** Name and tag of the template. */
  name: string;
  tag: string;
  base_template: string;
  recipe: ColumnType<readonly string[], string, never>;
  /** Null for a build of instructions. */
  recipe_text: ColumnType<string | null, string | null, never>;
  recipe_options: ColumnType<RecipeOptions, string | undefined, never>;
  /** Sealed; null when it has ended. */
  secrets: ColumnType<Buffer | null, Buffer | null, null>;
  healthcheck: Defaulted<string>;
  vcpus: number;
  memory_mb: number;
  skip_pre_post: Defaulted<boolean>;
  status: Defaulted<BuildStatus>;
  current_step: Defaulted<number>;
  total_steps: number;
  /** Entry of the error catalogue, and its message; null unless it failed. */
  reason: ColumnType<string | null, string | null | undefined, string | null>;
  error: ColumnType<string | null, string | null | undefined, string | null>;
  /** Control plane that runs it. */
  owner: ColumnType<string | null, never, string | null>;
  actor: ColumnType<Actor | null, string | null | undefined, never>;
  /** The version that it made. */
  template_id: ColumnType<string | null, never, string | null>;
  /** The capsule and the host that it is built on. */
  sandbox_id: ColumnType<string | null, never, string | null>;
  host_id: ColumnType<string | null, never, string | null>;
  default_user: Defaulted<string>;
  default_env: ColumnType<Record<string, string>, string | undefined, string>;
  /** Lines of output beyond the limit: those between the beginning and the end of the log. */
  dropped_lines: Defaulted<number>;
  durations: ColumnType<BuildDurations, string | undefined, string>;
  created_at: Defaulted<Date>;
  started_at: ColumnType<Date | null, never, Date | null>;
  completed_at: ColumnType<Date | null, never, Date | null>;
}

export interface BuildStepsTable {
  build_id: string;
  step: number;
  phase: string;
  cmd: string;
  stdout: string;
  stderr: string;
  /** Null for a step without a process. */
  exit: number | null;
  ok: boolean;
  /** Its result was there from an earlier build. */
  cached: Defaulted<boolean>;
  elapsed_ms: number;
}

/** Milliseconds of what a build does besides its steps, as far as it has done it. */
export interface BuildDurations {
  readonly import_ms?: number;
  readonly settle_ms?: number;
  readonly freeze_ms?: number;
  readonly smoke_test_ms?: number;
}

/** How a step, or what is done behind the steps, ended. */
export interface LineEnd {
  readonly ok: boolean;
  readonly cached: boolean;
  readonly elapsed_ms: number;
}

export interface BuildLinesTable {
  build_id: string;
  seq: number;
  step: number;
  stream: "system" | "stdout" | "stderr";
  text: string;
  at: Date;
  /** Of a line that ends its step; null otherwise. */
  ended: ColumnType<LineEnd | null, string | null | undefined, never>;
}

export interface BuildArchivesTable {
  id: string;
  team_id: string;
  /** Null while it is uploaded. */
  build_id: ColumnType<string | null, never, string>;
  /** int8 comes as text from the driver. */
  size_bytes: ColumnType<string, number, number>;
  created_at: Defaulted<Date>;
}

export interface BuildArchiveChunksTable {
  archive_id: string;
  seq: number;
  bytes: Buffer;
}

/** A build that a client has announced, and that has not begun. */
export interface AnnouncedBuildsTable {
  id: string;
  team_id: string;
  name: string;
  tags: string[];
  vcpus: number;
  memory_mb: number;
  created_at: Defaulted<Date>;
}

/** Files that a client has uploaded for steps of builds. */
export interface BuildFilesTable {
  team_id: string;
  /** By which the client names them. */
  hash: string;
  archive_id: string;
}
