import type { Clock, Logger } from "@wrenn/core";
import type { CapsuleFiles, CapsuleProcesses } from "@wrenn/protocol";
import type { SocketDescription } from "../openapi/describe-sockets.ts";
import type { ClientSocket } from "./client-socket.ts";
import type { Scope } from "./identity.ts";

/** A WebSocket route of capsules, contributed by the feature that handles it. */
export interface SocketRoute {
  /** Below the path of a capsule; a segment that begins with a colon is a parameter: `processes/:selector/stream`. */
  readonly path: string;
  /** Its messages and the parameters of its query, for the description of the API. */
  readonly description: SocketDescription;
  /** What the audit log calls a session; none where it only reads. */
  readonly auditAction?: string;
  /** What a key needs. */
  readonly scope: Scope;
  /** Whether `error` messages carry `"fatal": true`. */
  readonly hasFatalErrors?: boolean;
  /** Sub-protocol that clients may choose at the upgrade. */
  readonly subprotocol?: string;
  readonly handler: SocketHandler;
}

/** What a session works with once its client is known and its capsule runs. */
export interface SocketContext {
  readonly capsuleId: string;
  readonly processes: CapsuleProcesses;
  readonly files: CapsuleFiles;
  /** Values of the parameters in the route's path. */
  readonly params: Readonly<Record<string, string>>;
  /** Query of the upgrade request. */
  readonly query: URLSearchParams;
  /** Whether fields of the first message that are not known are refused. */
  readonly isStrict: boolean;
  /** The chosen sub-protocol, or empty. */
  readonly subprotocol: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /**
   * Calls `onStatus` with the status of the capsule now and whenever it may have changed, until the function that it returns is called.
   */
  readonly followStatus: (onStatus: (status: string) => void) => () => void;
  /** The capsule is in use. */
  readonly touch: () => void;
  /** Aborts when the client is gone or the server closes. */
  readonly signal: AbortSignal;
  /** Aborts when the client's access has ended, before {@link signal} does: nothing that the client sent takes effect from then on. */
  readonly accessEnded: AbortSignal;
}

/**
 * One kind of session. Resolves after its last message; a rejection becomes the `error` message.
 */
export type SocketHandler = (socket: ClientSocket, context: SocketContext) => Promise<void>;

/** A WebSocket route of a thing of a team that is no capsule. */
export interface TeamSocketRoute extends Omit<SocketRoute, "auditAction" | "handler"> {
  /** What its path is below: `/v1/builds/{id}/`. */
  readonly root: "builds";
  readonly handler: (socket: ClientSocket, context: TeamSocketContext) => Promise<void>;
}

/** What a session of such a route works with once its client is known. */
export interface TeamSocketContext {
  /** Team that the client acts for. */
  readonly teamId: string;
  /** Public id of the thing; whether it is there is the handler's to find out. */
  readonly id: string;
  /** Query of the upgrade request. */
  readonly query: URLSearchParams;
  readonly clock: Clock;
  /** Aborts when the client is gone or the server closes. */
  readonly signal: AbortSignal;
}

/** A refusal whose text is fixed (docs/reference/websocket-api.md#sessions). */
export class SocketRefused extends Error {
  override readonly name = "SocketRefused";
}
