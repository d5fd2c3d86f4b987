import type { Socket } from "node:net";
import type { Clock } from "@wrenn/core";
import type { ClientConnection, ClientConnections } from "../listener/client-connections.ts";
import type { PortGrant } from "../access/port-grant.ts";
import { closerOf } from "../listener/peek.ts";
import type { Of, ToProcess, ToServer } from "./messages.ts";

interface Handed {
  readonly connection: ClientConnection;
  /** Monotonic. */
  readonly sentAt: number;
  /** Closes it here, until the process has it. */
  closeHere: (() => void) | undefined;
  /** Ends its use; undefined while no request is under way. */
  endUse: (() => void) | undefined;
}

/** The connections that the port process serves, which keep their places among all connections of the server. */
export class HandedConnections {
  readonly #all: ClientConnections;
  readonly #clock: Clock;
  readonly #tell: (message: ToProcess) => void;
  readonly #handed = new Map<number, Handed>();
  #next = 1;
  #onTheWay = 0;

  constructor(all: ClientConnections, clock: Clock, tell: (message: ToProcess) => void) {
    this.#all = all;
    this.#clock = clock;
    this.#tell = tell;
  }

  get count(): number {
    return this.#handed.size;
  }

  /** Those that the process has not taken yet. */
  get onTheWay(): number {
    return this.#onTheWay;
  }

  /** For how long the process has not taken a connection that it was sent, in ms. */
  waitMs(): number {
    if (this.#onTheWay === 0) return 0;
    // They arrive in the order in which they were sent.
    for (const { closeHere, sentAt } of this.#handed.values())
      if (closeHere) return this.#clock.monotonic() - sentAt;
    return 0;
  }

  /** Takes a connection. @returns its number. */
  add(socket: Socket, connection: ClientConnection): number {
    const number = this.#next++;
    let isEnding = false;
    connection.socket = {
      destroy: () => {
        if (isEnding) return;
        isEnding = true;
        // Its place is free at once: others would be ended for it until the process reports that it is closed.
        this.#all.forget(connection);
        this.#tell({ type: "destroy", connection: number });
      },
    };
    connection.onAnonymous = () => this.#tell({ type: "anonymous", connection: number });
    this.#handed.set(number, {
      connection,
      closeHere: closerOf(socket),
      sentAt: this.#clock.monotonic(),
      endUse: undefined,
    });
    this.#onTheWay += 1;
    return number;
  }

  /** @throws WrennError `connections_full`. */
  authenticated(number: number, owner: string, access: PortGrant): void {
    const handed = this.#handed.get(number);
    if (handed) this.#all.showCredentials(handed.connection, owner, access);
  }

  take({ type, connection: number }: Of<ToServer, "arrived" | "busy" | "idle" | "closed">): void {
    const handed = this.#handed.get(number);
    if (!handed) return;
    switch (type) {
      case "arrived":
        this.#arrive(handed);
        return;
      case "busy":
        handed.endUse ??= this.#all.begin(handed.connection);
        return;
      case "idle":
        handed.endUse?.();
        handed.endUse = undefined;
        return;
      case "closed":
        this.close(number);
    }
  }

  /** The connection has closed. */
  close(number: number): void {
    const handed = this.#handed.get(number);
    if (!handed) return;
    this.#handed.delete(number);
    // One that never got there is still open here.
    handed.closeHere?.();
    this.#arrive(handed);
    handed.endUse?.();
    this.#all.forget(handed.connection);
  }

  closeAll(): void {
    for (const number of this.#handed.keys()) this.close(number);
  }

  #arrive(handed: Handed): void {
    if (!handed.closeHere) return;
    handed.closeHere = undefined;
    this.#onTheWay -= 1;
  }
}
