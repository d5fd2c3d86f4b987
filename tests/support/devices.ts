import { open } from "node:fs/promises";
import { problemOf } from "@wrenn/core";

/** Why a device cannot be opened; false when it can. A device that exists may still be refused, also to root. */
export async function unavailable(path: string): Promise<string | false> {
  try {
    await using device = await open(path, "r+");
    void device;
    return false;
  } catch (error) {
    return problemOf(error);
  }
}
