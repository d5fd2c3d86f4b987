import { Type } from "typebox";
import { CapsuleSpec } from "./facts.ts";
import { Count, Id, Text } from "./scalars.ts";
import type { Described } from "./scalars.ts";

/** Files are cut into blocks of this size. Blocks of zeros are neither sent nor part of a digest. */
export const TEMPLATE_BLOCK_BYTES = 262_144;

/**
 * Of the content of a file: SHA-256 over each block that is not all zeros, with its index before it as a 32-bit big-endian number, and
 * over the size of the file as a 64-bit one at the end. Holes make no difference.
 */
const ContentDigest = Type.String({ pattern: "^[0-9a-f]{64}$" });

/** One file of a template. */
export const TemplatePart = Type.Object({
  /** `image`: what disks begin with, which templates share. `disk`: an overlay on it. The other two are a frozen machine. */
  role: Type.Enum(["image", "disk", "memory", "device-state"]),
  digest: ContentDigest,
  sizeBytes: Count,
  /** Of the blocks that are sent. */
  dataBytes: Count,
});
export type TemplatePart = Described<typeof TemplatePart>;

/** A template that was made of a capsule, as another host needs to know it to hold a copy. */
export const TemplateManifest = Type.Object({
  /** What hosts call the template. */
  key: Type.String({ pattern: "^[A-Za-z0-9][A-Za-z0-9-]{0,63}$" }),
  /** Of its host: machines of another one do not run it. */
  architecture: Text,
  vcpus: Count,
  memoryMib: Count,
  diskMib: Count,
  /** Its memory has processes of users: without that memory it would be another template. */
  frozenProcesses: Type.Boolean(),
  /** Its programs are those of the product: they are run before a machine of it is frozen. */
  ownPrograms: Type.Boolean(),
  /** Identity of the hypervisor that saved the device state. */
  hypervisor: Text,
  clockKhz: Type.Optional(Count),
  metadata: Type.Record(Type.String(), Text),
  /** What processes of its capsules start with. */
  defaults: Type.Optional(Type.Pick(CapsuleSpec, ["envs", "user", "cwd"])),
  parts: Type.Array(TemplatePart, { minItems: 2, maxItems: 4 }),
});
export type TemplateManifest = Described<typeof TemplateManifest>;

/** A part that a host lacks, and the first block of it that has not arrived. */
export const MissingPart = Type.Object({ digest: ContentDigest, fromBlock: Count });
export type MissingPart = Described<typeof MissingPart>;

/** What a copy still needs; nothing when the template is there, or all parts are. */
export const TemplateCopyState = Type.Object({
  isReady: Type.Boolean(),
  missing: Type.Array(MissingPart, { maxItems: 4 }),
});
export type TemplateCopyState = Described<typeof TemplateCopyState>;

/** A part of a template, from a block on. */
export const TemplatePartRange = Type.Object({ key: Id, digest: ContentDigest, fromBlock: Count });
export type TemplatePartRange = Described<typeof TemplatePartRange>;
