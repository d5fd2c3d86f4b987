import type { Duplex } from "node:stream";
import { connect } from "node:tls";
import { asError } from "@wrenn/core";

/**
 * Speaks TLS with a service over a connection to it. Its certificate is not checked: a guest makes its own, and the connection does not
 * leave the platform. No name is sent, since the one that the client used is not the service's.
 *
 * @param ms - time for the handshake.
 * @throws the error of the connection or of the handshake, with its `code`; `ETIMEDOUT` when it takes longer; the signal's reason.
 */
export async function overTls(connection: Duplex, ms: number, signal: AbortSignal): Promise<Duplex> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const secured = connect({
    socket: connection,
    rejectUnauthorized: false,
    ALPNProtocols: ["http/1.1"],
  });
  // The layer above does not see every error of the one below.
  connection.on("error", (error) => secured.destroy(error));
  const timer = setTimeout(() => {
    secured.destroy(Object.assign(new Error(`no TLS handshake within ${ms} ms`), { code: "ETIMEDOUT" }));
  }, ms);
  const onAbort = (): void => void secured.destroy(asError(signal.reason));
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  secured.once("secureConnect", resolve);
  secured.once("error", reject);
  secured.once("close", () => reject(new Error("the service ended the connection during the TLS handshake")));
  try {
    await promise;
    return secured;
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort);
    secured.removeListener("error", reject);
  }
}
