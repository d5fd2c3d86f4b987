import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { WrennError } from "@wrenn/sdk";
import type { Capsule, PortConnection } from "@wrenn/sdk";
import { ClientError } from "../errors/client-error.ts";
import type { ForwardedPort } from "../options/port.ts";

export interface PortForwardOptions {
  readonly capsule: Pick<Capsule, "id" | "connectPort">;
  readonly port: ForwardedPort;
  /** Local address that is listened on. */
  readonly address: string;
  /** Hears why a connection was not made, or broke. */
  readonly onProblem: (error: unknown) => void;
  readonly signal: AbortSignal;
}

/** For this long a connection is tried again while the server is not reached, in milliseconds. */
const PATIENCE_MS = 15_000;
const DELAY_MS = 500;

/** A local port whose connections lead to a port of a capsule, each through one of its own. */
export class PortForward {
  readonly #options: PortForwardOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();

  private constructor(options: PortForwardOptions) {
    this.#options = options;
    // Each direction ends on its own.
    this.#server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => void this.#serve(socket));
  }

  /** @throws ClientError `port_in_use`, `port_not_allowed`, `address_unknown`. */
  static async start(options: PortForwardOptions): Promise<PortForward> {
    const forward = new PortForward(options);
    const { port, address } = options;
    forward.#server.listen(port.local, address);
    try {
      await once(forward.#server, "listening");
    } catch (error) {
      throw listenFailed(error, port.local, address);
    }
    return forward;
  }

  /** The local port. */
  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Ends every connection. */
  async close(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async #serve(socket: Socket): Promise<void> {
    const { signal, onProblem } = this.#options;
    this.#sockets.add(socket);
    const gone = new AbortController();
    socket.on("error", () => gone.abort());
    socket.once("close", () => {
      this.#sockets.delete(socket);
      gone.abort();
    });
    let connection: PortConnection | undefined;
    try {
      const attempt = AbortSignal.any([signal, gone.signal]);
      connection = await this.#connect(attempt);
      attempt.addEventListener("abort", connection.close, { once: true });
      if (attempt.aborted) connection.close();
      await Promise.all([upload(socket, connection), download(connection, socket)]);
    } catch (error) {
      if (!signal.aborted && !gone.signal.aborted) onProblem(error);
      breakOff(socket);
    } finally {
      connection?.close();
    }
  }

  /** Waits for a server that is not reached at the moment, as during its restart. */
  async #connect(signal: AbortSignal): Promise<PortConnection> {
    const { capsule, port } = this.#options;
    const startedAt = performance.now();
    for (;;) {
      try {
        return await capsule.connectPort(port.remote, { signal });
      } catch (error) {
        const isAway = error instanceof WrennError && error.isRetryable && error.status === undefined;
        if (!isAway || performance.now() - startedAt > PATIENCE_MS) throw error;
        await sleep(DELAY_MS, undefined, { signal });
      }
    }
  }
}

/** The local program is to notice that its connection is not whole. */
function breakOff(socket: Socket): void {
  // While a connection is being shut down, after its last byte, it cannot be reset.
  const isShuttingDown = socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (isShuttingDown) socket.once("finish", () => socket.resetAndDestroy());
  else socket.resetAndDestroy();
}

async function upload(socket: Socket, { writable }: PortConnection): Promise<void> {
  const writer = writable.getWriter();
  // The end of one direction is not the end of the socket.
  for await (const bytes of socket.iterator({ destroyOnReturn: false })) await writer.write(bytes as Buffer);
  await writer.close();
}

async function download({ readable }: PortConnection, socket: Socket): Promise<void> {
  for await (const bytes of readable) {
    if (socket.write(bytes)) continue;
    await Promise.race([once(socket, "drain"), once(socket, "close")]);
    if (socket.destroyed) return;
  }
  socket.end();
}

function listenFailed(error: unknown, port: number, address: string): ClientError {
  const { code = "" } = error as NodeJS.ErrnoException;
  if (code === "EADDRINUSE")
    return new ClientError(
      "conflict",
      "port_in_use",
      `something else listens on port ${port} of ${address}`,
      "Choose another local port, such as 0:80 for one that is free.",
      { cause: error },
    );
  if (code === "EACCES")
    return new ClientError(
      "usage",
      "port_not_allowed",
      `this user may not listen on port ${port}`,
      "Choose a local port above 1023, such as 8000:80.",
      { cause: error },
    );
  return new ClientError(
    "usage",
    "address_unknown",
    `${address} is not an address of this machine (${code})`,
    "Pass --address with one that is.",
    { cause: error },
  );
}
