import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { Server, Socket } from "node:net";
import { join } from "node:path";
import { identifyProcess } from "@wrenn/system";
import { QmpClient } from "../../src/qemu/qmp-client.ts";

/** A command as the driver sends it. */
export interface QmpCall {
  readonly execute: string;
  readonly id: number;
}

export type Serve = (call: QmpCall, socket: Socket) => void;

/** The other end of a control socket: greets, and does with each command whatever a test has it do. */
export class QmpPeer implements AsyncDisposable {
  readonly calls: QmpCall[] = [];
  /** How it answers; a well-behaved QEMU by default. */
  serve: Serve = (call, socket) => answer(socket, call.id, usual(call.execute));
  socket!: Socket;
  readonly #directory: string;
  readonly #clients = new Set<QmpClient>();
  #server!: Server;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  static async start(): Promise<QmpPeer> {
    const peer = new QmpPeer(await mkdtemp("/tmp/wq-"));
    peer.#server = createServer((socket) => peer.#accept(socket));
    await new Promise<void>((resolve) => peer.#server.listen(peer.#path, resolve));
    return peer;
  }

  async connect(signal: AbortSignal): Promise<QmpClient> {
    const self = await identifyProcess(process.pid);
    assert.ok(self);
    const client = await QmpClient.connect(
      this.#path,
      { uid: process.getuid?.() ?? 0, process: self },
      signal,
    );
    this.#clients.add(client);
    void client.closed.then(() => this.#clients.delete(client));
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const client of this.#clients) client.close();
    this.socket?.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await rm(this.#directory, { recursive: true, force: true });
  }

  get #path(): string {
    return join(this.#directory, "qmp.sock");
  }

  #accept(socket: Socket): void {
    this.socket = socket;
    // The driver ends connections in the middle of what is sent.
    socket.on("error", () => socket.destroy());
    socket.write('{"QMP": {}}\r\n');
    let rest = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      const lines = `${rest}${text}`.split("\n");
      rest = lines.pop() ?? "";
      for (const line of lines) {
        const call = JSON.parse(line) as QmpCall;
        this.calls.push(call);
        if (call.execute === "qmp_capabilities") answer(socket, call.id, {});
        else this.serve(call, socket);
      }
    });
  }
}

/** Sends one line. */
export function send(socket: Socket, line: unknown): void {
  if (!socket.destroyed) socket.write(`${typeof line === "string" ? line : JSON.stringify(line)}\r\n`);
}

export function answer(socket: Socket, id: number, value: unknown): void {
  send(socket, { return: value, id });
}

/** What QEMU answers when nothing is wrong. */
export function usual(command: string): unknown {
  if (command === "query-status") return { status: "running", running: true, singlestep: false };
  if (command === "query-block")
    return [{ device: "disk0", "io-status": "ok", inserted: { file: "/srv/disk/0.qcow2" } }];
  if (command === "query-migrate") return { status: "completed" };
  if (command === "query-version")
    return { qemu: { major: 7, minor: 2, micro: 0 }, package: "Debian", further: [] };
  return {};
}
