import { defined } from "@wrenn/core";
import type { Generation, GenerationFiles } from "../../generations/generation.ts";
import type { MachineOrigin } from "./start-machine.ts";

/** What a machine starts from that goes on with a generation. */
export function originOf(
  { booted, diskOnly, layers, packed }: Generation,
  files: GenerationFiles,
): Omit<MachineOrigin, "newIdentity"> {
  if (diskOnly) return { boots: true, layers };
  return { files, packed: packed === true, layers, ...defined({ booted }) };
}
