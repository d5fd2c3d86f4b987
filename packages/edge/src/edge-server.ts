import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import type { ClientConnection, ClientConnections } from "./listener/client-connections.ts";
import { CHECK_MS, createClientServer } from "./client-server.ts";
import type { ClientServerOptions } from "./client-server.ts";

export interface EdgeServerOptions extends ClientServerOptions {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /** Connections of all listeners of the server, with their limits. */
  readonly connections: ClientConnections;
  /** Takes connections to ports of capsules to another process. */
  readonly handOver?: HandOver;
}

/** Takes connections to another process. */
export interface HandOver {
  /** Whether there is a process. */
  readonly isRunning: boolean;
  /** Whether it takes connections at the moment. */
  readonly isReady: boolean;
  /**
   * Takes the connection if it is for a port of a capsule; what has arrived of it is still in the socket otherwise.
   *
   * @returns whether it was taken, or has ended.
   */
  offer(socket: Socket, connection: ClientConnection, isSecure: boolean): Promise<boolean>;
}

export interface EdgeServer {
  readonly port: number;
  /** Stops listening, ends connections. */
  close(): Promise<void>;
}

/**
 * Listens for clients and gives what is for capsules to the edge.
 *
 * @throws the operating system's error when the address cannot be used.
 */
export async function listenEdge(options: EdgeServerOptions): Promise<EdgeServer> {
  const { connections, handOver, proxies } = options;
  const clients = createClientServer({
    ...options,
    // The other process has the other half.
    unreadBytes: () => connections.limits.unreadBytes / (handOver?.isRunning === true ? 2 : 1),
  });
  const { server } = clients;
  const sockets = new Set<Socket>();
  const servers = server.listeners("connection");
  const serveHere = (socket: Socket): void => {
    for (const serve of servers) Reflect.apply(serve, server, [socket]);
  };
  const offer = async (socket: Socket, connection: ClientConnection): Promise<void> => {
    // It may break before it has a reader.
    socket.on("error", () => {});
    if ((await handOver?.offer(socket, connection, options.tls !== undefined)) === true)
      sockets.delete(socket);
    else if (!socket.destroyed) serveHere(socket);
  };
  server.removeAllListeners("connection");
  server.on("connection", (socket: Socket) => {
    const connection = connections.admit(socket);
    if (!connection) return;
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
    // A proxy sends requests for several hosts on one connection.
    if (handOver?.isReady === true && proxies?.trusts(socket.remoteAddress ?? "") !== true)
      void offer(socket, connection);
    else serveHere(socket);
  });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once("error", reject);
  server.listen(options.port, options.host, resolve);
  await promise;
  const checks = setInterval(() => {
    clients.check();
    connections.closeIdle();
  }, CHECK_MS).unref();
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      clearInterval(checks);
      // Its own event is not waited for: Node.js counts sockets that were given to a process for good.
      server.close();
      clients.close();
      const closed = [...sockets].map(async (socket) => once(socket, "close"));
      for (const socket of sockets) socket.destroy();
      await Promise.all(closed);
    },
  };
}
