import type { Socket } from "node:net";
import type { Clock, ConnectionEnds } from "@wrenn/core";
import { clientNetworks, TrustedProxies, WrennError } from "@wrenn/core";
import type { ListenerLimits } from "./listener-limits.ts";

/** How many times its share a network may have for the moment in which its connections show their credentials. */
const BURST = 4;
/** Connections that end together when the listener is full, so that finding them costs little. */
const VICTIMS = 16;

/** What credentials give, for as long as they are good. */
interface Access {
  /** Calls `onEnd` once when it ends, until the function that it returns is called. */
  hold(onEnd: () => void): () => void;
}

function nothing(): void {}

/** What ends a connection. */
interface ConnectionEnd {
  destroy(): unknown;
}

/** One connection of a client. */
export class ClientConnection {
  /** Of this process, or of the one that the connection was handed to. */
  socket: ConnectionEnd;
  /** Name of its two ends. */
  readonly ends: string;
  /** Networks whose share it takes until credentials are shown. */
  readonly networks: readonly string[];
  isAuthenticated: boolean;
  /** The team that its credentials are of, or that owns the port that they opened. */
  owner: string | undefined;
  /** What the credentials gave that it showed last. */
  access: Access | undefined;
  /** Ends the watch over `access`, which lasts while the connection is in use. */
  unwatch = nothing;
  /** Called when it begins to count for a team. */
  onAuthenticated = nothing;
  /** Called when it no longer does. */
  onAnonymous = nothing;
  /** Requests and streams under way. */
  inFlight = 0;
  /** When the last request ended, or the connection began; monotonic. */
  activeAt: number;
  /** Ends it when it has shown no credentials until then, where its network has too many. */
  grace: NodeJS.Timeout | undefined;

  constructor(
    socket: ConnectionEnd,
    ends: string,
    networks: readonly string[],
    isAuthenticated: boolean,
    now: number,
  ) {
    this.socket = socket;
    this.ends = ends;
    this.networks = networks;
    this.isAuthenticated = isAuthenticated;
    this.activeAt = now;
  }
}

/**
 * The connections of all listeners of a server. Those whose client has not shown credentials are limited by network, end soon when they are
 * idle, and lose their place first when the listener is full. The others are limited by the team that owns them.
 */
export class ClientConnections {
  readonly limits: ListenerLimits;
  readonly #clock: Clock;
  readonly #proxies: TrustedProxies;
  readonly #byEnds = new Map<string, ClientConnection>();
  /** Connections without credentials by network, the oldest first. */
  readonly #anonymous = new Map<string, Set<ClientConnection>>();
  /** Connections with credentials by owner, the oldest first. */
  readonly #owned = new Map<string, Set<ClientConnection>>();

  constructor(limits: ListenerLimits, clock: Clock, proxies = TrustedProxies.none) {
    this.limits = limits;
    this.#clock = clock;
    this.#proxies = proxies;
  }

  get count(): number {
    return this.#byEnds.size;
  }

  /** Takes a connection; undefined when there is no place for it, and it was closed. */
  admit(socket: Socket): ClientConnection | undefined {
    const ends = endsOf(socket);
    if (ends === undefined) {
      socket.destroy();
      return undefined;
    }
    // A proxy stands for all of its clients.
    const isProxy = this.#proxies.trusts(socket.remoteAddress ?? "");
    const { narrow, wide } = clientNetworks(socket.remoteAddress ?? "");
    const networks = wide === undefined ? [narrow] : [narrow, wide];
    const isBeyondBurst = !isProxy && networks.some((name) => this.#held(name) >= this.#share(name) * BURST);
    if (isBeyondBurst || (this.#byEnds.size >= this.limits.connections && !this.#makeRoom())) {
      socket.destroy();
      return undefined;
    }
    const connection = new ClientConnection(socket, ends, networks, isProxy, this.#clock.monotonic());
    if (!isProxy) this.#countForNetworks(connection);
    this.#byEnds.set(ends, connection);
    socket.once("close", () => this.forget(connection));
    return connection;
  }

  find(ends: ConnectionEnds): ClientConnection | undefined {
    const name = endsOf(ends);
    return name === undefined ? undefined : this.#byEnds.get(name);
  }

  /**
   * The client showed good credentials: while the access that they give lasts, the connection counts for their team and not for its
   * network. A team that has its share loses a connection that is idle.
   *
   * @throws WrennError `connections_full` when none of the team's connections is idle; this one then stays as it was.
   */
  authenticated(ends: ConnectionEnds, owner: string, access: Access): void {
    const connection = this.find(ends);
    if (connection) this.showCredentials(connection, owner, access);
  }

  /** The same for a connection that is at hand. @throws WrennError `connections_full`. */
  showCredentials(connection: ClientConnection, owner: string, access: Access): void {
    if (connection.isAuthenticated) {
      if (connection.owner === owner) this.#showAccess(connection, access);
      return;
    }
    const { perOwner } = this.limits;
    const owned = this.#owned.get(owner);
    if (owned && owned.size >= perOwner && !this.#endIdleOf(owned))
      throw new WrennError("connections_full", { limit: perOwner });
    this.#release(connection);
    connection.isAuthenticated = true;
    connection.owner = owner;
    setOf(this.#owned, owner).add(connection);
    this.#showAccess(connection, access);
    connection.onAuthenticated();
  }

  #showAccess(connection: ClientConnection, access: Access): void {
    connection.access = access;
    if (connection.inFlight > 0) this.#watchAccess(connection);
  }

  /** Closes connections that have been idle for too long. */
  closeIdle(): void {
    const now = this.#clock.monotonic();
    for (const connection of this.#byEnds.values()) {
      const { keepAliveMs, anonymousKeepAliveMs } = this.limits;
      const most = connection.isAuthenticated ? keepAliveMs : anonymousKeepAliveMs;
      if (connection.inFlight === 0 && now - connection.activeAt >= most) connection.socket.destroy();
    }
  }

  closeAll(): void {
    for (const { socket } of this.#byEnds.values()) socket.destroy();
  }

  /** A request or stream began on the connection; the result ends it. */
  begin(connection: ClientConnection): () => void {
    connection.inFlight += 1;
    if (connection.inFlight === 1) this.#watchAccess(connection);
    let isOpen = true;
    return () => {
      if (!isOpen) return;
      isOpen = false;
      connection.inFlight -= 1;
      connection.activeAt = this.#clock.monotonic();
      if (connection.inFlight === 0) connection.unwatch();
    };
  }

  /** While the connection is in use, it counts for the team no longer than the access that it showed last. */
  #watchAccess(connection: ClientConnection): void {
    connection.unwatch();
    connection.unwatch = connection.access?.hold(() => this.#becomeAnonymous(connection)) ?? nothing;
  }

  /** What is under way may go on, such as a request to a public port; the connection counts for its network again. */
  #becomeAnonymous(connection: ClientConnection): void {
    this.#release(connection);
    connection.isAuthenticated = false;
    connection.owner = undefined;
    connection.access = undefined;
    this.#countForNetworks(connection);
    connection.onAnonymous();
  }

  #countForNetworks(connection: ClientConnection): void {
    for (const name of connection.networks) setOf(this.#anonymous, name).add(connection);
    if (this.#isExcess(connection)) this.#endUnlessAuthenticated(connection);
  }

  #held(network: string): number {
    return this.#anonymous.get(network)?.size ?? 0;
  }

  #share(network: string): number {
    return network.endsWith("/48") ? this.limits.perSite : this.limits.perNetwork;
  }

  #isExcess({ networks, isAuthenticated }: ClientConnection): boolean {
    return !isAuthenticated && networks.some((name) => this.#held(name) > this.#share(name));
  }

  #endUnlessAuthenticated(connection: ClientConnection): void {
    clearTimeout(connection.grace);
    connection.grace = setTimeout(() => {
      // What has arrived until now is read first: credentials may be among it.
      setImmediate(() => {
        if (this.#isExcess(connection)) connection.socket.destroy();
      });
    }, this.limits.graceMs);
  }

  /**
   * Ends connections so that there is a place for one more. Those without credentials go first, of the network with most of them, as far
   * as they have more than one team's part of all; then those of the team with most of them, as far as it has more than its part.
   */
  #makeRoom(): boolean {
    const crowd = largestOf(this.#anonymous, (name) => !name.endsWith("/48"));
    const team = largestOf(this.#owned);
    if (team && team.size > (crowd?.size ?? 0) && this.#endIdleOf(team)) return true;
    // One part for each team, and one for those without credentials together.
    const part = this.limits.connections / (this.#owned.size + 1);
    if (crowd && this.#countAnonymous() > part) return this.#endSomeOf(crowd);
    const beyond = [...this.#owned.values()].filter(({ size }) => size > part);
    if (beyond.toSorted((a, b) => b.size - a.size).some((owned) => this.#endIdleOf(owned))) return true;
    if (team && team.size > part) return this.#endNewestOf(team);
    return crowd !== undefined && this.#endSomeOf(crowd);
  }

  #countAnonymous(): number {
    let count = 0;
    for (const [name, { size }] of this.#anonymous) if (!name.endsWith("/48")) count += size;
    return count;
  }

  /** Idle ones first, then the oldest. */
  #endSomeOf(crowd: ReadonlySet<ClientConnection>): boolean {
    const idleFirst = [...crowd].toSorted((a, b) => Math.min(a.inFlight, 1) - Math.min(b.inFlight, 1));
    const victims = idleFirst.slice(0, Math.min(VICTIMS, Math.ceil(crowd.size / 4)));
    for (const victim of victims) this.#end(victim);
    return true;
  }

  #endNewestOf(owned: ReadonlySet<ClientConnection>): boolean {
    const newest = [...owned].at(-1);
    if (newest) this.#end(newest);
    return newest !== undefined;
  }

  /** Whether one could be ended. */
  #endIdleOf(owned: ReadonlySet<ClientConnection>): boolean {
    for (const connection of owned) {
      if (connection.inFlight > 0) continue;
      this.#end(connection);
      return true;
    }
    return false;
  }

  /** Ends a connection whose place is needed at once. */
  #end(connection: ClientConnection): void {
    this.forget(connection);
    connection.socket.destroy();
  }

  /** The socket has closed, or will in a moment; another connection may have the same ends by now. */
  forget(connection: ClientConnection): void {
    clearTimeout(connection.grace);
    if (this.#byEnds.get(connection.ends) === connection) this.#byEnds.delete(connection.ends);
    this.#release(connection);
  }

  #release(connection: ClientConnection): void {
    connection.unwatch();
    for (const name of connection.networks) removeFrom(this.#anonymous, name, connection);
    if (connection.owner !== undefined) removeFrom(this.#owned, connection.owner, connection);
  }
}

function setOf(sets: Map<string, Set<ClientConnection>>, name: string): Set<ClientConnection> {
  let connections = sets.get(name);
  if (!connections) {
    connections = new Set();
    sets.set(name, connections);
  }
  return connections;
}

function removeFrom(
  sets: Map<string, Set<ClientConnection>>,
  name: string,
  connection: ClientConnection,
): void {
  const connections = sets.get(name);
  if (connections?.delete(connection) === true && connections.size === 0) sets.delete(name);
}

function largestOf(
  sets: ReadonlyMap<string, ReadonlySet<ClientConnection>>,
  isMeant: (name: string) => boolean = () => true,
): ReadonlySet<ClientConnection> | undefined {
  let largest: ReadonlySet<ClientConnection> | undefined;
  for (const [name, connections] of sets)
    if (isMeant(name) && connections.size > (largest?.size ?? 0)) largest = connections;
  return largest;
}

/** The name of the two ends of a connection; undefined when it has ended. */
export function endsOf({
  remoteAddress,
  remotePort,
  localAddress,
  localPort,
}: ConnectionEnds): string | undefined {
  if (remoteAddress === undefined || remotePort === undefined) return undefined;
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}
