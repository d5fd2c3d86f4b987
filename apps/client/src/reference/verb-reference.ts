import type { DocumentFields } from "./document.ts";

/** What the reference says of a command beside its help. */
export interface VerbReference {
  readonly examples: readonly string[];
  /** What it prints under `--json`; absent where it has no such option. */
  readonly json?: JsonAnswer;
}

export interface JsonAnswer {
  /** `object`: one. `list`: a list of them. `lines`: a line for each, as they come. */
  readonly form: "object" | "list" | "lines";
  /** Name of the object: commands that print the same have the same. */
  readonly name: string;
  readonly fields: DocumentFields;
  /** What it prints instead with some option. */
  readonly note?: string;
}
