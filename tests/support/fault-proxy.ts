import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { FaultyConnection } from "./faulty-connection.ts";
import type { Fault } from "./faulty-connection.ts";

export type { Fault } from "./faulty-connection.ts";

export interface FaultProxyOptions {
  /** Where connections go. */
  readonly target: { readonly host: string; readonly port: number };
  /** Certificate and key, PEM: clients speak TLS to the proxy; what it passes on is plain. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

interface PlannedFault {
  readonly fault: Fault;
  left: number;
}

/**
 * A TCP proxy before a server that breaks connections as networks do. Without a fault it passes everything on. Faults that name
 * requests find them by their request line, so they see HTTP/1.1 only, and only requests that begin a packet.
 */
export class FaultProxy implements AsyncDisposable {
  /** `http` or `https`, without a path. */
  readonly url: string;
  readonly port: number;
  /** Every connection so far, the first one first. */
  readonly connections: FaultyConnection[] = [];
  readonly #options: FaultProxyOptions;
  #server: Server;
  #planned: PlannedFault[] = [];

  private constructor(options: FaultProxyOptions, server: Server, port: number) {
    this.#options = options;
    this.#server = server;
    this.port = port;
    this.url = `${options.tls ? "https" : "http"}://127.0.0.1:${port}`;
  }

  static async start(options: FaultProxyOptions): Promise<FaultProxy> {
    const server = makeServer(options);
    const proxy = new FaultProxy(options, server, await listen(server, 0));
    proxy.#acceptFrom(server);
    return proxy;
  }

  /** Requests so far as `METHOD path`, in their order. */
  get requests(): readonly string[] {
    return this.connections
      .flatMap((connection) => connection.requests)
      .sort((one, other) => one.order - other.order)
      .map(({ line }) => line);
  }

  /** Connections that are open on the client's side. */
  get open(): readonly FaultyConnection[] {
    return this.connections.filter((connection) => !connection.closed);
  }

  /** Breaks the next `times` connections, or requests, to which the fault applies. */
  plan(fault: Fault, times = 1): void {
    this.#planned.push({ fault, left: times });
  }

  /** Forgets faults that did not happen yet. */
  clear(): void {
    this.#planned = [];
  }

  /** Resets all connections of this moment. */
  cutAll(): void {
    for (const connection of this.connections) connection.cut();
  }

  /** Refuses connections until {@link resume}, and resets those that there are. */
  async refuse(): Promise<void> {
    const closed = once(this.#server, "close");
    this.#server.close();
    this.cutAll();
    await closed;
  }

  /** Listens again, on the same port. */
  async resume(): Promise<void> {
    this.#server = makeServer(this.#options);
    this.#acceptFrom(this.#server);
    await listen(this.#server, this.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.refuse();
  }

  #acceptFrom(server: Server): void {
    server.on(this.#options.tls ? "secureConnection" : "connection", (client: Socket) => {
      const connection = new FaultyConnection(client, this.#options.target, (request) => this.#take(request));
      this.connections.push(connection);
      connection.start();
    });
  }

  /** The first planned fault of a new connection (without a request), or of a request. */
  #take(request: string | undefined): Fault | undefined {
    const found = this.#planned.find(
      ({ fault, left }) =>
        left > 0 && (request === undefined ? fault.on === undefined : (fault.on?.test(request) ?? false)),
    );
    if (found) found.left -= 1;
    return found?.fault;
  }
}

function makeServer({ tls }: FaultProxyOptions): Server {
  // Both ends are closed one by one, as the peers do.
  const options = { allowHalfOpen: true, noDelay: true };
  return tls ? createTlsServer({ ...tls, ...options }).on("tlsClientError", () => {}) : createServer(options);
}

async function listen(server: Server, port: number): Promise<number> {
  server.listen(port, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}
