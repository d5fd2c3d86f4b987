import { WrennError } from "@wrenn/core";
import type { FileInode } from "../tree/inode.ts";
import { shown, toByteString } from "../tar/byte-string.ts";
import type { UnpackedLayers } from "./unpack-layers.ts";

/** Programs that most images have. */
const WELL_KNOWN: readonly string[] = [
  "/bin/sh",
  "/bin/busybox",
  "/usr/bin/env",
  "/lib64/ld-linux-x86-64.so.2",
  "/lib/ld-linux-aarch64.so.1",
  "/lib/ld-musl-x86_64.so.1",
  "/lib/ld-musl-aarch64.so.1",
];
/** Executable files that are looked at where none of these is a program. */
const MAX_LOOKED_AT = 500;

/** `e_machine` of programs (System V ABI, "ELF Header"; numbers of elf.h). */
const MACHINES: ReadonlyMap<number, string> = new Map([
  [3, "i386"],
  [8, "MIPS"],
  [20, "PowerPC"],
  [21, "PowerPC 64"],
  [22, "S/390"],
  [40, "ARM"],
  [62, "x86-64"],
  [183, "ARM 64"],
  [243, "RISC-V"],
  [258, "LoongArch"],
]);
/** What a machine of each architecture runs; of others nothing is known. */
const RUNS: ReadonlyMap<string, readonly number[]> = new Map([
  ["amd64", [62, 3]],
  ["386", [3]],
  ["arm64", [183, 40]],
]);

export interface ArchitectureCheck {
  /** What the image is labelled, in the words of Go. */
  readonly architecture: string;
  /** What the image starts: absolute paths, or names that are looked up by `path`. */
  readonly programs: readonly string[];
  /** The value of `PATH`. */
  readonly path: string | undefined;
}

/**
 * Compares the label of an image with a program of it: the one that it starts, a shell or dynamic linker, or else the first executable
 * file that is one. An image without programs passes.
 *
 * @throws WrennError `image_mislabelled` naming the program and the machine that it is for.
 */
export async function checkArchitecture(layers: UnpackedLayers, check: ArchitectureCheck): Promise<void> {
  const accepted = RUNS.get(check.architecture);
  if (accepted === undefined) return;
  for (const { path, inode } of candidates(layers, check)) {
    const machine = await machineOf(layers, inode);
    if (machine === undefined) continue;
    if (accepted.includes(machine)) return;
    throw new WrennError("image_mislabelled", {
      architecture: check.architecture,
      file: shown(path),
      machine: MACHINES.get(machine) ?? `machine ${machine}`,
    });
  }
}

function* candidates(
  { tree }: UnpackedLayers,
  { programs, path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" }: ArchitectureCheck,
): Generator<{ readonly path: string; readonly inode: FileInode }> {
  const started = programs.flatMap((program) =>
    program.includes("/") ? [program] : path.split(":").map((directory) => `${directory}/${program}`),
  );
  for (const name of [...started.map(toByteString), ...WELL_KNOWN]) {
    const inode = tree.find(name)?.inode;
    if (inode?.type === "file") yield { path: name, inode };
  }
  let lookedAt = 0;
  const pending = [{ path: "", inode: tree.root }];
  for (let next = pending.pop(); next !== undefined; next = pending.pop())
    for (const [name, { inode }] of next.inode.names) {
      const path = `${next.path}/${name}`;
      if (inode.type === "directory") pending.push({ path, inode });
      if (inode.type !== "file" || (inode.attributes.mode & 0o111) === 0) continue;
      lookedAt += 1;
      if (lookedAt > MAX_LOOKED_AT) return;
      yield { path, inode };
    }
}

/** The machine that a file is a program for; undefined where it is no program. */
async function machineOf({ spools }: UnpackedLayers, { content }: FileInode): Promise<number | undefined> {
  const { offset, layer, pieces, size } = content;
  const first = pieces ? pieces[0] : { at: 0, length: size };
  if (first === undefined || first.at !== 0 || first.length < 20) return undefined;
  const head = Buffer.alloc(20);
  await spools[layer]?.readInto(head, offset);
  if (head.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const isBigEndian = head[5] === 2;
  const type = isBigEndian ? head.readUInt16BE(16) : head.readUInt16LE(16);
  // 2 and 3 are what runs and what is loaded; 1 is what a linker makes them of.
  if (type !== 2 && type !== 3) return undefined;
  return isBigEndian ? head.readUInt16BE(18) : head.readUInt16LE(18);
}
