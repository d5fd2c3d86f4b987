import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { problemOf, WrennError } from "@wrenn/core";

/** The functions of native/descriptors, whose README says what each does. They throw errors with a `code` such as ENOENT. */
export interface DescriptorAddon {
  socketPair(): readonly [number, number];
  connect(path: string): number;
  /** Pid, uid and gid. */
  peer(fd: number): readonly [number, number, number];
  send(fd: number, bytes: Uint8Array, descriptors: readonly number[]): boolean;
  /** Bytes, how many of them there are, and descriptors. */
  receive(fd: number, room: number): readonly [Buffer, number, readonly number[]] | undefined;
  openBeneath(directory: string, name: string, accessMode: number): number;
}

const path = fileURLToPath(new URL("../../../../native/descriptors/build/descriptors.node", import.meta.url));
let loaded: DescriptorAddon | undefined;

/** @throws WrennError `dependency_missing` when the addon was not built. */
export function descriptorAddon(): DescriptorAddon {
  try {
    loaded ??= createRequire(import.meta.url)(path) as DescriptorAddon;
    return loaded;
  } catch (error) {
    const what = `the descriptor addon (${problemOf(error)})`;
    throw new WrennError("dependency_missing", { what }, { cause: error });
  }
}
