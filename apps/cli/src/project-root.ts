import { join } from "node:path";

/** The checkout that this command line belongs to. */
export const projectRoot = join(import.meta.dirname, "../../..");
