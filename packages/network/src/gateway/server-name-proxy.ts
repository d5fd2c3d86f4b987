import { connect, createServer } from "node:net";
import type { Socket } from "node:net";
import { ClientHelloReader, problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { overlaps, parseNetwork } from "../cidr.ts";
import type { ParsedPolicy } from "../policy.ts";
import { judgeName } from "./judge-name.ts";
import { shareOf } from "./slot-allowance.ts";
import type { SharedRate } from "./slot-allowance.ts";
import type { SlotState } from "./slot-state.ts";

const HELLO_MS = 10_000;
const CONNECT_MS = 10_000;
/** Addresses of a server that are tried for one connection: each is an entry in the host's table. */
const MAX_DIALS = 4;
const KEEP_ALIVE_MS = 60_000;
/** Real clients send it in one or two. */
const MAX_PIECES = 128;
/** Connections of one slot; each has two sockets here. */
const MAX_PER_SLOT = 1024;
const MAX_CONNECTIONS = 16_384;
/** Connections of one slot that have not named a server; each keeps what it sent. */
const MAX_NAMELESS = 64;
const BACKLOG = 4096;
/** Bytes that wait for a guest that reads slowly. */
const BUFFER_BYTES = 16_384;

export interface ServerNameProxyOptions {
  readonly host: string;
  readonly port: number;
  readonly slotAt: (address: string) => SlotState | undefined;
  /** Addresses of a name that the slot has not asked for. */
  readonly lookUp: (name: string, slot: SlotState, signal: AbortSignal) => Promise<readonly string[]>;
  /** Whether a policy may open an address at all. */
  readonly isReachable: (address: string) => boolean;
  /** Connections to servers, which all slots share. */
  readonly dials: Pick<SharedRate, "take">;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Takes TLS connections that a slot's rules lead here, reads the server name, and leads them to an address of that name when
 * the policy allows it. The address that the guest had dialled does not count: a name cannot be claimed for another server.
 * Nothing is decrypted.
 */
export async function listenForServerNames(
  options: ServerNameProxyOptions,
  signal: AbortSignal,
): Promise<void> {
  const streams = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true, highWaterMark: BUFFER_BYTES };
  let total = 0;
  const server = createServer(streams, (socket) => {
    socket.on("error", () => socket.destroy());
    const slot = options.slotAt(socket.remoteAddress ?? "");
    if (!slot || !isAdmitted(slot, total, options.clock.now())) return void socket.destroy();
    total += 1;
    socket.once("close", () => (total -= 1));
    serve(options, slot, socket, signal).catch((error: unknown) => {
      options.logger.debug("network.splice_failed", { slot: slot.number, problem: problemOf(error) });
      socket.resetAndDestroy();
    });
  });
  const bound = Promise.withResolvers<void>();
  server.once("error", bound.reject);
  server.listen({ port: options.port, host: options.host, backlog: BACKLOG }, bound.resolve);
  await bound.promise;
  signal.addEventListener("abort", () => server.close(), { once: true });
}

/** One slot takes neither all places, nor all of the time of this process. */
function isAdmitted(slot: SlotState, total: number, now: number): boolean {
  return (
    slot.splices.size < shareOf(total, MAX_CONNECTIONS, MAX_PER_SLOT) &&
    slot.nameless < MAX_NAMELESS &&
    slot.serverNames.take(now)
  );
}

async function serve(
  options: ServerNameProxyOptions,
  slot: SlotState,
  guest: Socket,
  signal: AbortSignal,
): Promise<void> {
  const led: { name?: string; address?: string } = {};
  const record = (verdict: "allowed" | "denied", reason: string): void =>
    slot.log.record({
      kind: "server_name",
      subject: led.name ?? "",
      verdict,
      reason,
      at: options.clock.now(),
    });
  // Registered before the name is known, so that connections that say nothing count too.
  const judge = (policy: ParsedPolicy): void => {
    const open = led.address === undefined || isOpen(policy, led.address, options.isReachable);
    if (led.name === undefined || !open || !judgeName(policy, led.name).allowed) guest.resetAndDestroy();
  };
  slot.splices.add(judge);
  guest.once("close", () => slot.splices.delete(judge));

  slot.nameless += 1;
  const within = AbortSignal.any([signal, AbortSignal.timeout(HELLO_MS)]);
  const hello = await readHello(guest, within).finally(() => (slot.nameless -= 1));
  const { serverName: name } = hello;
  if (name === undefined) {
    record("denied", hello.problem ?? "the connection names no server");
    return void guest.resetAndDestroy();
  }
  led.name = name;
  const { allowed, rule } = judgeName(slot.policy, name);
  if (!allowed) {
    record("denied", rule);
    return void guest.resetAndDestroy();
  }
  const known = slot.observed(name, options.clock.now());
  if (!known && slot.policy.egress === "deny") {
    record("denied", "the capsule has not resolved the name");
    return void guest.resetAndDestroy();
  }
  const deadline = AbortSignal.any([signal, AbortSignal.timeout(CONNECT_MS)]);
  const found = known ?? (await options.lookUp(name, slot, deadline));
  const addresses = found.filter((address) => isOpen(slot.policy, address, options.isReachable));
  if (addresses.length === 0) {
    record("denied", "the name has no address that may be reached");
    return void guest.resetAndDestroy();
  }
  record("allowed", rule);
  const requireTurn = (): void => {
    if (!options.dials.take(slot.modestDials, options.clock.now()))
      throw new Error("capsules open too many connections");
  };
  const server = await dialFirst(addresses.slice(0, MAX_DIALS), requireTurn, deadline);
  if (server.remoteAddress !== undefined) led.address = server.remoteAddress;
  // The policy may have changed while the connection was made.
  judge(slot.policy);
  if (guest.destroyed) return void server.destroy();
  splice(guest, server, hello.bytes);
}

/** The name may lead to an address that the policy denies as a network. */
function isOpen(
  policy: ParsedPolicy,
  address: string,
  isReachable: ServerNameProxyOptions["isReachable"],
): boolean {
  const network = parseNetwork(address, "address");
  return isReachable(address) && !policy.deny.networks.some((denied) => overlaps(denied, network));
}

const NOTHING = Buffer.alloc(0);

interface Hello {
  /** All that the guest has sent so far, of a connection that is led on. */
  readonly bytes: Buffer;
  readonly serverName: string | undefined;
  readonly problem?: string;
}

async function readHello(guest: Socket, signal: AbortSignal): Promise<Hello> {
  const { promise, resolve, reject } = Promise.withResolvers<Hello>();
  const reader = new ClientHelloReader();
  const pieces: Buffer[] = [];
  const onData = (piece: Buffer): void => {
    pieces.push(piece);
    const result = reader.push(piece);
    if (result.state === "complete") resolve({ bytes: Buffer.concat(pieces), serverName: result.serverName });
    else if (result.state === "invalid")
      resolve({ bytes: NOTHING, serverName: undefined, problem: result.problem });
    else if (pieces.length >= MAX_PIECES)
      resolve({ bytes: NOTHING, serverName: undefined, problem: "the ClientHello comes in too many pieces" });
  };
  const onEnd = (): void => reject(new Error("the connection ended before its ClientHello"));
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  guest.on("data", onData).once("end", onEnd).once("close", onEnd);
  guest.resume();
  try {
    return await promise;
  } finally {
    guest.pause();
    guest.off("data", onData).off("end", onEnd).off("close", onEnd);
    signal.removeEventListener("abort", onAbort);
  }
}

/** @param requireTurn - throws when the next one is not to be tried. */
async function dialFirst(
  addresses: readonly string[],
  requireTurn: () => void,
  signal: AbortSignal,
): Promise<Socket> {
  let last: unknown = new Error("no address");
  for (const address of addresses) {
    signal.throwIfAborted();
    requireTurn();
    try {
      return await dial(address, signal);
    } catch (error) {
      last = error;
    }
  }
  throw last;
}

async function dial(address: string, signal: AbortSignal): Promise<Socket> {
  const socket = connect({ host: address, port: 443, allowHalfOpen: true, noDelay: true });
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const onAbort = (): void => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  socket.once("connect", resolve).once("error", reject);
  try {
    await promise;
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  } finally {
    signal.removeEventListener("abort", onAbort);
    socket.off("error", reject);
    socket.on("error", () => socket.destroy());
  }
}

/** Bytes both ways, each end's end passed on as such; an abort of one side is an abort for the other, never a clean end. */
function splice(guest: Socket, server: Socket, first: Buffer): void {
  for (const [from, to] of [
    [guest, server],
    [server, guest],
  ] as const) {
    from.setKeepAlive(true, KEEP_ALIVE_MS);
    from.once("close", () => {
      if (!from.readableEnded || !from.writableFinished) to.resetAndDestroy();
    });
  }
  server.write(first);
  guest.pipe(server);
  server.pipe(guest);
}
