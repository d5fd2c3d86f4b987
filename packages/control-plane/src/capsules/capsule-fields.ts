import { WrennError } from "@wrenn/core";
import { Type } from "typebox";
import { LINE, SafeName } from "../http/schemas.ts";
import { EnvironmentBody, validateCommandText } from "../http/command-text.ts";

const MAX_PAIRS = 64;
const MAX_METADATA_BYTES = 16_384;
const MAX_VARIABLES = 256;
/** Little enough that every command has room for its own. */
const MAX_ENVIRONMENT_BYTES = 65_536;
const MAX_SECONDS = 2_592_000;
/** The largest disk; what a team stores on it is bounded by its quota. */
const MAX_DISK_MIB = 102_400;

/** What the platform adds to the metadata of a capsule: versions, as the contract has it, and what emulates or runs it. */
const platformKeys: ReadonlySet<string> = new Set([
  "kernel_version",
  "vmm",
  "vmm_version",
  "agent_version",
  "envd_version",
]);

/** Segments of paths beside the ids of capsules, and words that may become such. */
const reservedWords: ReadonlySet<string> = new Set([
  "capsules",
  "count",
  "events",
  "logs",
  "me",
  "metrics",
  "new",
  "search",
  "self",
  "stats",
  "usage",
]);
/** Ids, also without their hyphen, as host names of other platforms have them. */
const LIKE_AN_ID = /^cl(-|[0-9a-z]{25}$)/i;

const Line = Type.String({ pattern: LINE });

export const timeoutSec = Type.Integer({
  minimum: 0,
  maximum: MAX_SECONDS,
  description: "Idle seconds after which the capsule is paused; 0: never",
});
export const maxLifetimeSec = Type.Integer({
  minimum: 0,
  maximum: MAX_SECONDS,
  description:
    "Seconds after which the run of the capsule ends whether or not it is in use, from its creation and from each resume; 0: never",
});
export const onLifetimeEnd = Type.Union(
  [Type.Literal("pause"), Type.Literal("pause_disk"), Type.Literal("destroy")],
  {
    description:
      "What happens then: `pause` (default), `pause_disk` (processes and memory are given up, the disk is kept), or `destroy`",
  },
);
export const autoResume = Type.Boolean({ description: "A request that uses the paused capsule resumes it" });

export const diskMib = Type.Integer({
  minimum: 0,
  maximum: MAX_DISK_MIB,
  description:
    "Size of the disk, at least and by default that of the template: 5120 for built-in ones; 0: default",
});

/** Fields that say what a capsule is and what it starts with. */
export const identityFields = {
  name: Type.Optional(SafeName),
  metadata: Type.Optional(
    Type.Record(Type.String(), Line, {
      description:
        "Pairs that say what the capsule is for: at most 64, at most 16 KiB of names and values, without control characters. Lists can be filtered by them.",
    }),
  ),
  envs: Type.Optional(EnvironmentBody),
  user: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 64,
      pattern: LINE,
      description: "User of commands, terminals and hooks that name none; default: root",
    }),
  ),
  cwd: Type.Optional(
    Type.String({
      minLength: 1,
      maxLength: 4096,
      pattern: "^[/~][^\\u0000]*$",
      description: "Directory in which they start; default: the home of the user",
    }),
  ),
};

/** @throws WrennError `capsule_name_reserved`. */
export function requireUsableName(name: string): void {
  if (LIKE_AN_ID.test(name) || reservedWords.has(name.toLowerCase()))
    throw new WrennError("capsule_name_reserved", { name });
}

/** @throws WrennError `metadata_too_large`, `metadata_reserved`, `invalid_field`. */
export function validateMetadata(metadata: Readonly<Record<string, string>>): void {
  const pairs = Object.entries(metadata);
  if (pairs.length > MAX_PAIRS)
    throw new WrennError("metadata_too_large", { size: pairs.length, unit: "pairs", limit: MAX_PAIRS });
  let bytes = 0;
  for (const [key, value] of pairs) {
    if (key === "" || !new RegExp(LINE, "u").test(key))
      throw new WrennError("invalid_field", {
        field: "metadata",
        problem: "must have names without control characters",
      });
    if (platformKeys.has(key)) throw new WrennError("metadata_reserved", { key });
    bytes += Buffer.byteLength(key) + Buffer.byteLength(value);
  }
  if (bytes > MAX_METADATA_BYTES)
    throw new WrennError("metadata_too_large", { size: bytes, unit: "bytes", limit: MAX_METADATA_BYTES });
}

/** @throws WrennError `invalid_field`. */
export function validateEnvironment(envs: Readonly<Record<string, string>>): void {
  validateCommandText({ cmd: "", args: [], envs });
  const pairs = Object.entries(envs);
  const bytes = pairs.reduce(
    (sum, [name, value]) => sum + Buffer.byteLength(name) + Buffer.byteLength(value),
    0,
  );
  if (pairs.length > MAX_VARIABLES || bytes > MAX_ENVIRONMENT_BYTES)
    throw new WrennError("invalid_field", {
      field: "envs",
      problem: `must have at most ${MAX_VARIABLES} variables of together ${MAX_ENVIRONMENT_BYTES} bytes`,
    });
}
