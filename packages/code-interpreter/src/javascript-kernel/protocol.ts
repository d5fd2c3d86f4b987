/** What the service sends: lines of JSON. Cells are counted from 1. */
export type Command = ExecuteCommand | { readonly type: "interrupt"; readonly cell: number };

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
  | { readonly type: "ready" }
  | { readonly type: "done"; readonly cell: number }
  | { readonly type: "exit"; readonly code: number }
  | { readonly type: "result"; readonly main: boolean; readonly data: MimeBundle }
  | { readonly type: "error"; readonly name: string; readonly value: string; readonly traceback: string };

/** Representations of one value by their MIME types. */
export type MimeBundle = Readonly<Record<string, unknown>>;

/** What the second thread sends to the first. */
export type Message =
  | { readonly type: "execute"; readonly cell: number; readonly command: ExecuteCommand }
  | { readonly type: "giveUp"; readonly cell: number };

/** Index in the memory that both threads share: the number of the cell that ended last. Only the first thread writes it. */
export const ENDED = 0;

export interface InterruptsData {
  readonly commands: number;
  readonly state: Int32Array;
}
