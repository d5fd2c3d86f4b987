/** What the service sends: lines of JSON. */
export type Command = ExecuteCommand | { readonly type: "interrupt" };

export interface ExecuteCommand {
  readonly type: "execute";
  readonly code: string;
  readonly language: string;
  /** Variables that stay set. */
  readonly environment: Readonly<Record<string, string>>;
  /** Variables of this cell, reset after it. */
  readonly variables: Readonly<Record<string, string>>;
}

/** What the kernel reports: lines of JSON. */
export type Report =
  | { readonly type: "ready" | "done" }
  | { readonly type: "exit"; readonly code: number }
  | { readonly type: "result"; readonly main: boolean; readonly data: MimeBundle }
  | { readonly type: "error"; readonly name: string; readonly value: string; readonly traceback: string };

/** Representations of one value by their MIME types. */
export type MimeBundle = Readonly<Record<string, unknown>>;

/** Index in the memory that both threads share: 1 while a cell runs. */
export const RUNNING = 0;

export interface InterruptsData {
  readonly commands: number;
  readonly state: Int32Array;
}
