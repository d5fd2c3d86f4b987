import type { Clock, Logger } from "@wrenn/core";
import type { CapsuleFiles, CapsuleProcesses } from "@wrenn/protocol";
import type { ClientSocket } from "./client-socket.ts";

/** What a session works with once its client is known and its capsule runs. */
export interface SocketContext {
  readonly processes: CapsuleProcesses;
  readonly files: CapsuleFiles;
  /** Query of the upgrade request. */
  readonly query: URLSearchParams;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The capsule is in use. */
  readonly touch: () => void;
  /** Aborts when the client is gone or the server closes. */
  readonly signal: AbortSignal;
}

/**
 * One kind of session. Resolves after its last message; a rejection becomes the `error` message.
 */
export type SocketHandler = (socket: ClientSocket, context: SocketContext) => Promise<void>;

/** A refusal whose text the contract fixes (contract 11). */
export class SocketRefused extends Error {
  override readonly name = "SocketRefused";
}
