import { createSocket } from "node:dgram";
import type { RemoteInfo } from "node:dgram";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { problemOf } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { Resolver } from "./resolver.ts";
import type { SlotState } from "./slot-state.ts";

/** A guest that says nothing on a TCP connection loses it. */
const IDLE_MS = 10_000;
const MAX_CONNECTIONS = 256;
const MAX_QUERY_BYTES = 4096;

export interface DnsListenerOptions {
  readonly host: string;
  readonly port: number;
  /** The slot that an address belongs to; packets of others are not answered. */
  readonly slotAt: (address: string) => SlotState | undefined;
  readonly resolve: Resolver;
  readonly logger: Logger;
}

/** Listens over UDP and TCP until the signal aborts. */
export async function listenForQueries(options: DnsListenerOptions, signal: AbortSignal): Promise<void> {
  await Promise.all([listenUdp(options, signal), listenTcp(options, signal)]);
}

async function listenUdp(options: DnsListenerOptions, signal: AbortSignal): Promise<void> {
  const { slotAt, resolve, logger } = options;
  const socket = createSocket("udp4");
  const bound = Promise.withResolvers<void>();
  socket.once("error", bound.reject);
  socket.bind(options.port, options.host, bound.resolve);
  await bound.promise;
  socket.on("error", (error) => logger.warn("network.dns_socket", { problem: problemOf(error) }));
  socket.on("message", (packet: Buffer, from: RemoteInfo) => {
    const slot = slotAt(from.address);
    if (!slot || packet.length > MAX_QUERY_BYTES) return;
    void resolve(slot, packet, "udp", signal).then((answer) => {
      if (answer && !signal.aborted) socket.send(answer, from.port, from.address);
    });
  });
  signal.addEventListener("abort", () => socket.close(), { once: true });
}

async function listenTcp(options: DnsListenerOptions, signal: AbortSignal): Promise<void> {
  const server = createServer((socket) => {
    const slot = options.slotAt(socket.remoteAddress ?? "");
    if (slot) serveTcp(options.resolve, slot, socket, signal);
    else socket.destroy();
  });
  server.maxConnections = MAX_CONNECTIONS;
  const bound = Promise.withResolvers<void>();
  server.once("error", bound.reject);
  server.listen(options.port, options.host, bound.resolve);
  await bound.promise;
  signal.addEventListener("abort", () => server.close(), { once: true });
}

/** Messages with their length before them (RFC 1035 §4.2.2), one after the other. */
function serveTcp(resolve: Resolver, slot: SlotState, socket: Socket, signal: AbortSignal): void {
  let received = Buffer.alloc(0);
  let busy = false;
  const next = async (): Promise<void> => {
    if (busy || received.length < 2) return;
    const length = received.readUInt16BE(0);
    if (length > MAX_QUERY_BYTES) return void socket.destroy();
    if (received.length < 2 + length) return;
    busy = true;
    const packet = received.subarray(2, 2 + length);
    received = received.subarray(2 + length);
    const answer = await resolve(slot, packet, "tcp", signal);
    if (!answer) return void socket.destroy();
    const prefix = Buffer.alloc(2);
    prefix.writeUInt16BE(answer.length);
    socket.write(Buffer.concat([prefix, answer]));
    busy = false;
    await next();
  };
  socket.on("data", (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    // A client that sends this much ahead of the answers is not one.
    if (received.length > 2 * MAX_QUERY_BYTES) return void socket.destroy();
    void next();
  });
  socket.setTimeout(IDLE_MS, () => socket.destroy());
  socket.on("error", () => socket.destroy());
}
