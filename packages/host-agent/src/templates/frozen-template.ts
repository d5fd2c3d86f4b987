import type { TemplateFacts } from "@wrenn/protocol";
import type { ProcessDefaults } from "../capsules/process-defaults.ts";

/** The size of a machine; a frozen template fits exactly one. */
export interface Shape {
  readonly vcpus: number;
  readonly memoryMib: number;
}

/** A booted, warmed and frozen machine: what every capsule of the template starts from. Its files never change. */
export interface FrozenTemplate {
  readonly name: string;
  readonly shape: Shape;
  /** Names the content: recipe, kernel, guest agent, hypervisor and shape. */
  readonly hash: string;
  /** The same without the shape, for a template that the host makes from its own sources. */
  readonly content?: string;
  readonly memoryFile: string;
  readonly deviceState: string;
  /** Identity of the hypervisor that saved the device state, where the hash does not name it; no other can load it. */
  readonly hypervisor?: string;
  /** Frequency of the host's counter that its guest was booted with, where guests read that counter for the time. */
  readonly clockKhz?: number;
  /** qcow2 image that capsules put their overlay on. */
  readonly disk: string;
  /** Bytes its files occupy on the host's disk. */
  readonly sizeBytes: number;
  /** Directories a machine must be able to read to start from it. */
  readonly readable: readonly string[];
  /** Its users' processes were frozen with it and must be let go after a restore. */
  readonly frozenProcesses: boolean;
  /** Its programs are those of the product: none of them is a user's. */
  readonly ownPrograms?: true;
  /** Size of its disk in MiB; absent in records of earlier versions: {@link templateDiskMib}. */
  readonly diskMib?: number;
  /** What processes of its capsules start with, where it was made of a capsule. */
  readonly defaults?: ProcessDefaults;
  /** Versions of kernel, VMM and guest agent that went in. */
  readonly metadata: Readonly<Record<string, string>>;
}

/** Of every template that was made before templates recorded it. */
const DISK_MIB = 5120;

/** Size of the disk of a template. */
export function templateDiskMib({ diskMib = DISK_MIB }: FrozenTemplate): number {
  return diskMib;
}

/** Release of the kernel that a template was booted with, whose modules its disk has; undefined when that is not known. */
export function kernelRelease({ metadata }: FrozenTemplate): string | undefined {
  return metadata["kernel_version"];
}

/** Names of the files in a frozen template's directory. */
export const frozenFiles = {
  memory: "memory",
  deviceState: "device-state",
  disk: "disk.qcow2",
  machine: "m",
} as const;

/** Finds templates by name, freezing them on first use of a shape. */
export interface TemplateSource {
  /**
   * @param hold - called with the template before anything else can be done with it: from then on the caller says that it is used.
   * @throws WrennError `template_not_found`.
   */
  frozen(
    name: string,
    shape: Shape,
    signal: AbortSignal,
    hold?: (template: FrozenTemplate) => void,
  ): Promise<FrozenTemplate>;
  list(): Promise<readonly TemplateFacts[]>;
  /**
   * Forgets frozen templates of earlier identities of their recipes, and those that were used longest ago, beyond the number that is
   * kept: any size that a user asks for is one.
   *
   * @param isUsed - whether something depends on it; that is kept.
   * @param remove - removes the files of what was forgotten; one that is asked for again meanwhile is frozen afterwards.
   */
  removeUnused(
    isUsed: (template: FrozenTemplate) => boolean,
    remove: (template: FrozenTemplate) => Promise<void>,
  ): Promise<void>;
}
