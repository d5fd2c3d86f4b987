import type { Socket } from "node:net";
import type { Clock, ConnectionEnds } from "@wrenn/core";
import { ClientConnection, endsOf } from "../listener/client-connections.ts";
import type { ClientConnections } from "../listener/client-connections.ts";
import type { ListenerLimits } from "../listener/listener-limits.ts";
import type { ServerLink } from "./server-link.ts";

interface Served {
  readonly connection: ClientConnection;
  readonly number: number;
}

/** The connections that the port process serves. The server, which knows all connections, decides about their places. */
export class ServedConnections implements Pick<ClientConnections, "find" | "begin" | "limits"> {
  readonly limits: ListenerLimits;
  readonly #clock: Clock;
  readonly #link: ServerLink;
  readonly #byEnds = new Map<string, Served>();
  readonly #byNumber = new Map<number, ClientConnection>();
  readonly #numbers = new WeakMap<ClientConnection, number>();

  constructor(limits: ListenerLimits, clock: Clock, link: ServerLink) {
    this.limits = limits;
    this.#clock = clock;
    this.#link = link;
  }

  /** Takes a connection from the server, where it is idle until it serves a request. */
  add(socket: Socket, number: number): void {
    const ends = endsOf(socket);
    this.#link.tell({ type: "arrived", connection: number });
    if (ends === undefined) {
      socket.destroy();
      this.#link.tell({ type: "closed", connection: number });
      return;
    }
    const connection = new ClientConnection(socket, ends, [], false, this.#clock.monotonic());
    this.#byEnds.set(ends, { connection, number });
    this.#byNumber.set(number, connection);
    this.#numbers.set(connection, number);
    socket.once("close", () => {
      if (this.#byEnds.get(ends)?.connection === connection) this.#byEnds.delete(ends);
      this.#byNumber.delete(number);
      this.#link.tell({ type: "closed", connection: number });
    });
  }

  find(ends: ConnectionEnds): ClientConnection | undefined {
    const name = endsOf(ends);
    return name === undefined ? undefined : this.#byEnds.get(name)?.connection;
  }

  begin(connection: ClientConnection): () => void {
    connection.inFlight += 1;
    if (connection.inFlight === 1) this.#tell("busy", connection);
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      connection.inFlight -= 1;
      if (connection.inFlight === 0) this.#tell("idle", connection);
    };
  }

  numberOf(connection: ClientConnection): number {
    return this.#numbers.get(connection) ?? 0;
  }

  /** The server counts it for the owner of a port. */
  authenticated(connection: ClientConnection, owner: string): void {
    const isNew = !connection.isAuthenticated;
    connection.isAuthenticated = true;
    connection.owner = owner;
    if (isNew) connection.onAuthenticated();
  }

  anonymous(number: number): void {
    const connection = this.#byNumber.get(number);
    if (!connection) return;
    connection.isAuthenticated = false;
    connection.owner = undefined;
  }

  destroy(number: number): void {
    this.#byNumber.get(number)?.socket.destroy();
  }

  #tell(type: "busy" | "idle", connection: ClientConnection): void {
    this.#link.tell({ type, connection: this.numberOf(connection) });
  }
}
