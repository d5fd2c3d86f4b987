import { createSocket } from "node:dgram";
import type { RemoteInfo } from "node:dgram";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { problemOf } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { Resolver } from "./resolver.ts";
import type { SlotState } from "./slot-state.ts";

/** A connection over which no question is under way is ended after this long. */
const IDLE_MS = 4000;
/** And every connection after this long. */
const TOTAL_MS = 20_000;
/** Connections of one slot, and of all: when there are more, the oldest is ended. */
const MAX_PER_SLOT = 8;
const MAX_CONNECTIONS = 2048;
/** Connections that wait to be accepted. */
const BACKLOG = 4096;
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
    resolve(slot, packet, "udp", signal).then(
      (answer) => {
        if (answer && !signal.aborted) socket.send(answer, from.port, from.address);
      },
      (error: unknown) =>
        logger.debug("network.dns_failed", { slot: slot.number, problem: problemOf(error) }),
    );
  });
  signal.addEventListener("abort", () => socket.close(), { once: true });
}

async function listenTcp(options: DnsListenerOptions, signal: AbortSignal): Promise<void> {
  const open = new Set<Socket>();
  const server = createServer((socket) => {
    socket.on("error", () => socket.destroy());
    const slot = options.slotAt(socket.remoteAddress ?? "");
    if (!slot || slot.dnsConnections >= MAX_PER_SLOT) return void socket.destroy();
    slot.dnsConnections += 1;
    open.add(socket);
    const deadline = setTimeout(() => socket.destroy(), TOTAL_MS);
    socket.once("close", () => {
      clearTimeout(deadline);
      open.delete(socket);
      slot.dnsConnections -= 1;
    });
    const [oldest] = open;
    if (open.size > MAX_CONNECTIONS) oldest?.destroy();
    serveTcp(options.resolve, slot, socket, signal);
  });
  const bound = Promise.withResolvers<void>();
  server.once("error", bound.reject);
  server.listen({ port: options.port, host: options.host, backlog: BACKLOG }, bound.resolve);
  await bound.promise;
  signal.addEventListener("abort", () => server.close(), { once: true });
}

/** Messages with their length before them (RFC 1035 §4.2.2), one after the other. */
function serveTcp(resolve: Resolver, slot: SlotState, socket: Socket, signal: AbortSignal): void {
  let received = Buffer.alloc(0);
  let isBusy = false;
  const next = async (): Promise<void> => {
    if (isBusy || received.length < 2) return;
    const length = received.readUInt16BE(0);
    if (length > MAX_QUERY_BYTES) return void socket.destroy();
    if (received.length < 2 + length) return;
    isBusy = true;
    // Its answer may take longer than a client may be silent.
    socket.setTimeout(0);
    const packet = received.subarray(2, 2 + length);
    received = received.subarray(2 + length);
    const answer = await resolve(slot, packet, "tcp", signal).catch(() => undefined);
    if (!answer || socket.destroyed) return void socket.destroy();
    const prefix = Buffer.alloc(2);
    prefix.writeUInt16BE(answer.length);
    // A client that reads no answers gets no more of them.
    if (!socket.write(Buffer.concat([prefix, answer]))) await drained(socket);
    isBusy = false;
    socket.setTimeout(IDLE_MS);
    await next();
  };
  socket.on("data", (bytes: Buffer) => {
    received = Buffer.concat([received, bytes]);
    // A client that sends this much ahead of the answers is not one.
    if (received.length > 2 * MAX_QUERY_BYTES) return void socket.destroy();
    void next();
  });
  socket.setTimeout(IDLE_MS, () => socket.destroy());
}

/** Resolves when the socket takes more, or is closed. */
async function drained(socket: Socket): Promise<void> {
  if (socket.destroyed) return;
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once("drain", resolve).once("close", resolve);
  await promise;
  socket.off("drain", resolve).off("close", resolve);
}
