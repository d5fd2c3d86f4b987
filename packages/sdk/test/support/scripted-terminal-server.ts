import { once } from "node:events";
import { createServer } from "node:http";
import type { IncomingMessage, Server } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { WebSocketServer } from "ws";
import type { RawData, WebSocket } from "ws";

/** What one connection does in place of what it should. */
export interface ScriptedFault {
  /** Cuts it after so many bytes of output. */
  readonly cutOutputAfter?: number;
  /** Cuts it after so many bytes of input were taken; those are confirmed only if `confirms`. */
  readonly cutInputAfter?: number;
  readonly confirms?: boolean;
  /** Sends nothing at all from `started` on. */
  readonly isSilent?: boolean;
  /** Cuts it when the first message arrives, before or after the terminal was started. */
  readonly cutBeforeStarted?: boolean;
  readonly cutAfterStart?: boolean;
  /** Answers the first message with this. */
  readonly error?: Readonly<Record<string, unknown>>;
  /** Refuses the upgrade. */
  readonly status?: number;
  /** Does not know the session. */
  readonly forgets?: boolean;
  /** Reports output up to this offset as dropped. */
  readonly dropsTo?: number;
}

type Message = Readonly<Record<string, unknown>> & { readonly type: string };

const PART = 16_384;
const AHEAD = 100_000;

/**
 * The server's side of terminals (docs/reference/websocket-api.md#terminals), with one terminal that prints {@link output} and keeps its
 * input. The real server passes the same scenarios in tests/e2e/sdk-terminals.test.ts.
 */
export class ScriptedTerminalServer implements AsyncDisposable {
  readonly url: string;
  output: Buffer;
  readonly input: Buffer[] = [];
  readonly messages: Message[] = [];
  /** Sizes, each with the number of bytes of input that arrived before it. */
  readonly sizes: { readonly cols: number; readonly at: number }[] = [];
  readonly connections: WebSocket[] = [];
  /** `METHOD path` of requests. */
  readonly requests: string[] = [];
  /** Where the present begins for a client that connects; undefined: a server of an earlier version. */
  liveOffset: number | undefined;
  /** Faults of the next connections, one each. */
  faults: ScriptedFault[] = [];
  /** Undefined: the program goes on. */
  exitCode: number | undefined;
  pingMs = 15_000;
  /** Whether input is confirmed. */
  confirmsInput = true;
  /** Terminals that were started. */
  starts = 0;
  /** The most that was sent ahead of acknowledgements. */
  mostAhead = 0;
  readonly #server: Server;
  #sessionId: unknown;

  private constructor(server: Server, output: Buffer) {
    this.#server = server;
    this.output = output;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(output: Buffer = Buffer.alloc(0)): Promise<ScriptedTerminalServer> {
    const http = createServer((request, response) => {
      scripted.requests.push(`${request.method} ${request.url}`);
      if (request.method === "DELETE") scripted.exit(137);
      response.writeHead(request.method === "DELETE" ? 204 : 200).end();
    });
    const sockets = new WebSocketServer({ noServer: true });
    http.on("upgrade", (request: IncomingMessage, connection: Duplex, head: Buffer) => {
      const fault = scripted.faults.shift() ?? {};
      if (fault.status !== undefined) {
        // The client may have given it up.
        connection.on("error", () => undefined);
        connection.end(`HTTP/1.1 ${fault.status} Refused\r\nContent-Length: 0\r\nConnection: close\r\n\r\n`);
        return;
      }
      sockets.handleUpgrade(request, connection, head, (socket) => scripted.#serve(socket, fault));
    });
    http.listen(0, "127.0.0.1");
    await once(http, "listening");
    const scripted = new ScriptedTerminalServer(http, output);
    return scripted;
  }

  get inputBytes(): Buffer {
    return Buffer.concat(this.input);
  }

  /** Messages of a type, in their order. */
  received(type: string): readonly Message[] {
    return this.messages.filter((message) => message.type === type);
  }

  /** Reads and sends nothing more on the connections there are: their clients see no end. */
  halt(): void {
    for (const socket of this.connections) {
      socket.pause();
      socket.removeAllListeners("go-on");
      socket.send = () => undefined;
    }
  }

  print(text: string): void {
    this.output = Buffer.concat([this.output, Buffer.from(text)]);
    for (const socket of this.connections) socket.emit("go-on");
  }

  /** Reports a size, behind what was printed. */
  resized(cols: number, rows: number): void {
    for (const socket of this.connections) socket.send(JSON.stringify({ type: "resized", cols, rows }));
  }

  exit(code: number): void {
    this.exitCode = code;
    for (const socket of this.connections) socket.emit("go-on");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.connections) socket.terminate();
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, "close");
  }

  #serve(socket: WebSocket, fault: ScriptedFault): void {
    this.connections.push(socket);
    let connection: Connection | undefined;
    socket.on("message", (data: RawData, isBinary: boolean) => {
      if (isBinary) {
        this.#take(data as Buffer, socket, fault);
        return;
      }
      const message = JSON.parse((data as Buffer).toString()) as Message;
      this.messages.push(message);
      if (message.type === "ack") connection?.acknowledge(Number(message["offset"]));
      if (message.type === "kill") this.exit(137);
      if (message.type === "resize")
        this.sizes.push({ cols: Number(message["cols"]), at: this.inputBytes.length });
      if (message.type === "start" || message.type === "connect")
        connection = this.#begin(message, socket, fault);
    });
  }

  #begin(message: Message, socket: WebSocket, fault: ScriptedFault): Connection | undefined {
    const send = (value: object): void => socket.send(JSON.stringify(value));
    if (fault.cutBeforeStarted === true) {
      socket.terminate();
      return undefined;
    }
    if (fault.error) {
      send({ type: "error", fatal: true, ...fault.error });
      socket.close(1011);
      return undefined;
    }
    const isResumed = message["session_id"] === this.#sessionId && fault.forgets !== true;
    if (message.type === "start" && !isResumed) this.starts++;
    this.#sessionId = message["session_id"];
    if (fault.cutAfterStart === true) {
      socket.terminate();
      return undefined;
    }
    const offset = isResumed ? this.inputBytes.length : 0;
    send({
      type: "started",
      tag: "pty-1",
      pid: 7,
      resumed: isResumed,
      input_offset: offset,
      ...(this.liveOffset === undefined ? {} : { live_offset: this.liveOffset }),
      ping_ms: this.pingMs,
    });
    if (fault.isSilent === true) return undefined;
    const ping = setInterval(() => send({ type: "ping" }), this.pingMs);
    socket.on("close", () => clearInterval(ping));
    const connection = new Connection(this, socket, message, fault);
    socket.on("go-on", () => connection.goOn());
    connection.goOn();
    return connection;
  }

  #take(data: Buffer, socket: WebSocket, { cutInputAfter = Infinity, confirms = true }: ScriptedFault): void {
    if (socket.readyState !== socket.OPEN) return;
    const room = cutInputAfter - this.inputBytes.length;
    this.input.push(data.subarray(0, Math.max(0, room)));
    if (this.confirmsInput && confirms)
      socket.send(JSON.stringify({ type: "input_ack", offset: this.inputBytes.length }));
    if (data.length >= room) socket.terminate();
  }
}

/** Output on one connection. */
class Connection {
  readonly #server: ScriptedTerminalServer;
  readonly #socket: WebSocket;
  readonly #fault: ScriptedFault;
  #at: number;
  #acknowledged: number;
  #sent = 0;

  constructor(server: ScriptedTerminalServer, socket: WebSocket, first: Message, fault: ScriptedFault) {
    this.#server = server;
    this.#socket = socket;
    this.#fault = fault;
    this.#at = Number(first["from"] ?? 0);
    this.#acknowledged = Number(first["acknowledged"] ?? this.#at);
    if (fault.dropsTo === undefined) return;
    socket.send(JSON.stringify({ type: "dropped", from: this.#at, to: fault.dropsTo }));
    this.#at = fault.dropsTo;
  }

  acknowledge(offset: number): void {
    this.#acknowledged = Math.max(this.#acknowledged, offset);
    this.goOn();
  }

  goOn(): void {
    const { output, exitCode } = this.#server;
    const { cutOutputAfter = Infinity } = this.#fault;
    while (this.#at < output.length && this.#at - this.#acknowledged <= AHEAD) {
      const part = output.subarray(this.#at, this.#at + Math.min(PART, cutOutputAfter - this.#sent));
      this.#socket.send(part);
      this.#sent += part.length;
      this.#at += part.length;
      this.#server.mostAhead = Math.max(this.#server.mostAhead, this.#at - this.#acknowledged);
      if (this.#sent < cutOutputAfter) continue;
      // What was sent arrives before the reset.
      setTimeout(() => this.#socket.terminate(), 5);
      return;
    }
    if (this.#at < output.length || exitCode === undefined) return;
    this.#socket.send(JSON.stringify({ type: "exit", exit_code: exitCode }));
    this.#socket.close(1000);
  }
}
