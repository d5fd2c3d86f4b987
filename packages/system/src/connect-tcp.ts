import { connect } from "node:net";
import type { Socket } from "node:net";
import { asError } from "@wrenn/core";

export interface TcpPlace {
  readonly address: string;
  readonly port: number;
  /** Whether each direction ends on its own: an upgraded service may go on after its client has finished. */
  readonly halfOpen: boolean;
}

/**
 * Connects once.
 *
 * @param ms time for the attempt.
 * @throws the operating system's error, with its `code`; `ETIMEDOUT` when it takes longer; the signal's reason.
 */
export async function connectTcp(place: TcpPlace, ms: number, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const { promise, resolve, reject } = Promise.withResolvers<Socket>();
  const socket = connect({
    host: place.address,
    port: place.port,
    noDelay: true,
    allowHalfOpen: place.halfOpen,
  });
  const timer = setTimeout(() => {
    socket.destroy(Object.assign(new Error(`no connection within ${ms} ms`), { code: "ETIMEDOUT" }));
  }, ms);
  const onAbort = (): void => void socket.destroy(asError(signal.reason));
  signal.addEventListener("abort", onAbort, { once: true });
  socket.once("connect", () => resolve(socket));
  socket.once("error", reject);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    socket.removeListener("error", reject);
  }
}
