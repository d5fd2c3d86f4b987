import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { TLSSocket } from "node:tls";
import { problemOf, WrennError } from "@wrenn/core";
import { Type } from "typebox";
import { Value } from "typebox/value";
import type { ClientSocket } from "../http/client-socket.ts";
import { SocketRefused } from "../http/socket-route.ts";
import type { SocketContext, SocketRoute } from "../http/socket-route.ts";
import type { PortAddresses } from "./ports.ts";

/** Sub-protocol with which a client asks for errors with codes. */
const SUBPROTOCOL = "wrenn.port.tunnel";
/** Bytes that each side may send and the other has not taken yet. Less than is read ahead, so that acknowledgements are always seen. */
const WINDOW = 512 << 10;
/** The client learns of what was taken in pieces of this size. */
const ACKNOWLEDGED = WINDOW / 8;

const Acknowledge = Type.Object(
  {
    type: Type.Literal("ack"),
    bytes: Type.Integer({ minimum: 0, description: "Bytes that were taken since the session began" }),
  },
  { title: "PortTunnelAcknowledge", description: "Either side: so many bytes of the other side were taken" },
);
const End = Type.Object(
  { type: Type.Literal("end") },
  {
    title: "PortTunnelEnd",
    description: "Either side: no more bytes follow; those of the other side still do",
  },
);
const Opened = Type.Object(
  {
    type: Type.Literal("open"),
    window: Type.Integer({ description: "Bytes that each side may send and the other has not acknowledged" }),
  },
  { title: "PortTunnelOpen", description: "The service has accepted the connection" },
);

/** For routes that are described, not served. */
export const noPorts: Pick<PortAddresses, "openPort"> = {
  openPort: async () => await Promise.reject(new Error("there are no ports")),
};

/** A TCP connection to a port of a capsule, through the API. */
export const portTunnel = (edge: Pick<PortAddresses, "openPort">): SocketRoute => ({
  path: "ports/:port/tunnel",
  description: {
    summary: "Connect to a port of a capsule",
    description:
      "One TCP connection to a service in the capsule: binary frames carry its bytes. The server sends `open` once the service has accepted it. Each side acknowledges what it has taken, and ends its direction on its own. The session ends when both directions have ended, with an `error` when the connection breaks.",
    tag: "ports",
    client: [Acknowledge, End],
    server: [Opened, Acknowledge, End],
    binary: "Bytes of the connection",
  },
  scope: "run",
  subprotocol: SUBPROTOCOL,
  handler: async (socket, context) => {
    const text = context.params["port"] ?? "";
    const port = Number(text);
    if (!/^\d{1,5}$/.test(text) || port < 1 || port > 65_535)
      throw new WrennError("port_invalid", { port: text });
    const connection = await edge.openPort(context.capsuleId, port, context.signal);
    try {
      await new PortTunnel(socket, context, connection, port).run();
    } finally {
      breakOff(connection);
    }
  },
});

/** A service whose client went away is to notice: the end of the input alone would not say that nothing is read any longer. */
function breakOff(connection: Duplex): void {
  if (!(connection instanceof Socket) || connection instanceof TLSSocket) connection.destroy();
  else if (connection.destroyed) return;
  // While a connection is being shut down, after its last byte, it cannot be reset.
  else if (connection.writableEnded && !connection.writableFinished && connection.writableLength === 0)
    connection.once("finish", () => connection.resetAndDestroy());
  else connection.resetAndDestroy();
}

/** Joins a session and a connection. What waits in one direction never stops the other one. */
class PortTunnel {
  readonly #socket: ClientSocket;
  readonly #context: SocketContext;
  readonly #connection: Duplex;
  readonly #port: number;
  readonly #over = Promise.withResolvers<void>();
  /** To the client. */
  #sent = 0;
  #acknowledged = 0;
  /** From the client. */
  #received = 0;
  #taken = 0;
  #reported = 0;

  constructor(socket: ClientSocket, context: SocketContext, connection: Duplex, port: number) {
    this.#socket = socket;
    this.#context = context;
    this.#connection = connection;
    this.#port = port;
  }

  /** Resolves when both directions have ended, or the client is gone. @throws WrennError `port_hung_up`, `port_draining`. */
  async run(): Promise<void> {
    const connection = this.#connection;
    connection.once("error", (error) => this.#over.reject(this.#broken(error)));
    connection.once("close", () => {
      const isWhole = connection.readableEnded && connection.writableFinished;
      if (isWhole) this.#over.resolve();
      else this.#over.reject(this.#broken(new Error("it was closed")));
    });
    if (connection.destroyed)
      this.#over.reject(this.#broken(connection.errored ?? new Error("it was closed")));
    this.#send({ type: "open", window: WINDOW });
    connection.on("data", (bytes: Buffer) => {
      this.#context.touch();
      this.#sent += bytes.length;
      void this.#socket.sendBytes(bytes);
      if (this.#sent - this.#acknowledged >= WINDOW) connection.pause();
    });
    connection.once("end", () => this.#send({ type: "end" }));
    this.#receive().catch((error: unknown) => this.#over.reject(error));
    await this.#over.promise;
  }

  async #receive(): Promise<void> {
    for (;;) {
      const message = await this.#socket.receive(this.#context.signal);
      if (!message) return this.#over.resolve();
      if (message.type === "bytes") this.#write(message.bytes);
      else if (Value.Check(Acknowledge, message.value)) this.#acknowledge(message.value.bytes);
      else if (Value.Check(End, message.value)) this.#connection.end();
    }
  }

  #write(bytes: Buffer): void {
    if (this.#connection.writableEnded) throw new SocketRefused("bytes came after 'end'");
    this.#received += bytes.length;
    if (this.#received - this.#taken > WINDOW)
      throw new SocketRefused(`more than ${WINDOW} bytes were sent that are not acknowledged`);
    this.#context.touch();
    this.#socket.hold(bytes.length);
    this.#connection.write(bytes, (error) => {
      this.#socket.release(bytes.length);
      this.#taken += bytes.length;
      if (error || this.#taken - this.#reported < ACKNOWLEDGED) return;
      this.#reported = this.#taken;
      this.#send({ type: "ack", bytes: this.#taken });
    });
  }

  #acknowledge(bytes: number): void {
    if (bytes > this.#sent) throw new SocketRefused("'ack' names bytes that were not sent");
    this.#acknowledged = Math.max(this.#acknowledged, bytes);
    if (this.#sent - this.#acknowledged < WINDOW) this.#connection.resume();
  }

  /** The window bounds what waits to be sent. */
  #send(message: Readonly<Record<string, unknown>>): void {
    void this.#socket.send(message);
  }

  #broken(error: Error): WrennError {
    if (error instanceof WrennError) return error;
    return new WrennError("port_hung_up", { port: this.#port, problem: problemOf(error) }, { cause: error });
  }
}
