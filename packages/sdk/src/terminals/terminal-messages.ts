import type { ErrorMessage } from "../errors/error-of-message.ts";

/** The client's first message on a connection (docs/reference/websocket-api.md#terminals). */
export interface FirstMessage {
  readonly type: "start" | "connect";
  readonly [field: string]: unknown;
}

/** Messages of the server that a terminal's client acts on; others only show that the connection lives. */
export type ServerMessage =
  | {
      readonly type: "started";
      readonly tag: string;
      readonly pid: number;
      readonly resumed: boolean;
      readonly input_offset: number;
      /** Not sent by servers of earlier versions. */
      readonly live_offset?: number;
      readonly ping_ms?: number;
    }
  | { readonly type: "input_ack"; readonly offset: number }
  | { readonly type: "dropped"; readonly from: number; readonly to: number }
  | { readonly type: "resized"; readonly cols: number; readonly rows: number }
  | { readonly type: "exit"; readonly exit_code: number; readonly signal?: number }
  | ErrorMessage
  | { readonly type: "ping" };
