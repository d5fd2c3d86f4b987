import { formatId, parseId, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { listeningPortQueries, portQueries } from "@wrenn/database";
import type { Database } from "@wrenn/database";
import type { ListeningPort, ListeningPorts } from "@wrenn/protocol";
import type { CapsuleRows } from "../capsules/capsule-rows.ts";
import type { Fleet } from "../hosts/fleet.ts";
import { PortEventBudget } from "./port-event-budget.ts";

const CALL_MS = 10_000;
/** How often reports are looked at again that had more events than their capsules might have. */
const RETRY_MS = 5000;
/** Capsules with such reports. */
const MAX_WAITING = 10_000;

/** What listens in a capsule, with who may reach it. */
export interface ListedPort extends ListeningPort {
  readonly access: "public" | "private";
  /** Whether the edge reaches it. */
  readonly isReachable: boolean;
}

interface Report {
  readonly listeners: ListeningPorts;
  readonly hostId: string;
}

export interface ListeningPortsServiceDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly fleet: Fleet;
  readonly capsuleRows: CapsuleRows;
}

/** What listens in capsules: lists, and events when that changes. */
export class ListeningPortsService {
  readonly #deps: ListeningPortsServiceDeps;
  readonly #budget: PortEventBudget;
  /** Reports by capsule that are not recorded completely. */
  readonly #waiting = new Map<string, Report>();
  readonly #recording = new Map<string, Promise<void>>();
  readonly #unsubscribe: () => void;
  readonly #timer: NodeJS.Timeout;

  constructor(deps: ListeningPortsServiceDeps) {
    this.#deps = deps;
    this.#budget = new PortEventBudget(deps.clock);
    this.#unsubscribe = deps.fleet.observeListeners((listeners, hostId) => this.#take(listeners, hostId));
    this.#timer = setInterval(() => {
      for (const id of this.#waiting.keys()) this.#begin(id);
    }, RETRY_MS);
    this.#timer.unref();
  }

  /**
   * What listens now in a capsule that runs, and what listened last in one that does not.
   *
   * @throws WrennError `capsule_not_found`, `capsule_not_running`, `host_unavailable`, `host_outdated`.
   */
  async list(
    teamId: string,
    publicId: string,
  ): Promise<{
    readonly ports: readonly ListedPort[];
    readonly unlisted: number;
    readonly seenAt: Date | undefined;
  }> {
    const { database, capsuleRows } = this.#deps;
    const row = await capsuleRows.get(teamId, publicId);
    if (row.status === "stopped" || row.status === "error")
      throw new WrennError("capsule_not_running", { status: row.status });
    const { ports, unlisted, at } =
      row.status === "running" ? await this.#ask(row, publicId) : await this.#recorded(row.id);
    const access = new Map(
      (await portQueries.listPortAccess(database.db, row.id)).map((one) => [one.port, one.access]),
    );
    return {
      ports: ports.map((one) => ({
        ...one,
        access: access.get(one.port) ?? "private",
        isReachable: isReachable(one),
      })),
      unlisted,
      seenAt: at === 0 ? undefined : new Date(at),
    };
  }

  async close(): Promise<void> {
    this.#unsubscribe();
    clearInterval(this.#timer);
    this.#waiting.clear();
    await Promise.allSettled(this.#recording.values());
  }

  async #ask(
    row: { readonly host_id: string | null },
    publicId: string,
  ): Promise<Omit<ListeningPorts, "id">> {
    try {
      return await this.#deps.fleet.of(row).listeners(publicId, AbortSignal.timeout(CALL_MS));
    } catch (error) {
      if (WrennError.is(error, "route_not_found"))
        throw new WrennError("host_outdated", { what: "listing ports that listen" });
      throw error;
    }
  }

  async #recorded(capsuleId: string): Promise<Omit<ListeningPorts, "id">> {
    const row = await listeningPortQueries.findListeningPorts(this.#deps.database.db, capsuleId);
    return { ports: row?.ports ?? [], unlisted: row?.unlisted ?? 0, at: Number(row?.seen_at ?? 0) };
  }

  /** The newest report of a capsule takes the place of one that waits: what opened and closed between them is no event. */
  #take(listeners: ListeningPorts, hostId: string): void {
    if (!this.#waiting.has(listeners.id) && this.#waiting.size >= MAX_WAITING) return;
    this.#waiting.set(listeners.id, { listeners, hostId });
    this.#begin(listeners.id);
  }

  #begin(id: string): void {
    const report = this.#waiting.get(id);
    if (!report || this.#recording.has(id)) return;
    const work = this.#record(report)
      .then((isComplete) => {
        if (isComplete && this.#waiting.get(id) === report) this.#waiting.delete(id);
      })
      .catch((error: unknown) => {
        // It waits for the next attempt, or for the next report.
        this.#deps.logger.warn("ports.not_recorded", { capsule: id, problem: problemOf(error) });
      })
      .finally(() => {
        this.#recording.delete(id);
        // A report that arrived meanwhile is recorded at once.
        if (this.#waiting.get(id) !== report) this.#begin(id);
      });
    this.#recording.set(id, work);
  }

  /** Records a report with its events. @returns whether all of them fitted the budget. */
  async #record({ listeners, hostId }: Report): Promise<boolean> {
    const { database } = this.#deps;
    const id = parseId("capsule", listeners.id);
    const known = await listeningPortQueries.findListeningPorts(database.db, id);
    if (isSame(known, listeners)) return true;
    const budget = this.#budget.left(listeners.id);
    if (budget <= 0) return false;
    return await database.db.transaction().execute(async (trx) => {
      const held = await listeningPortQueries.lockListeningPorts(trx, id);
      // Another control plane recorded it, or the capsule has ended or moved.
      if (!held || held.hostId !== hostId || Number(held.row?.seen_at ?? 0) >= listeners.at) return true;
      const events = eventsOf(held.row?.ports ?? [], listeners.ports);
      // What does not fit is an event later, if it is still so then.
      const isComplete = events.length <= budget;
      const sent = events.slice(0, budget);
      await listeningPortQueries.putListeningPorts(trx, {
        capsuleId: id,
        seenAt: isComplete ? listeners.at : listeners.at - 1,
        ports: isComplete ? listeners.ports : reported(held.row?.ports ?? [], listeners.ports, sent),
        unlisted: listeners.unlisted,
      });
      this.#budget.spend(formatId("capsule", id), sent.length);
      await listeningPortQueries.emitPortEvents(trx, { id, teamId: held.teamId }, sent);
      return isComplete;
    });
  }
}

interface PortEvent {
  readonly type: "port.opened" | "port.closed";
  /** `tcp/8080` */
  readonly port: string;
}

/** A port that several sockets or addresses share opens with the first and closes with the last. */
function eventsOf(before: readonly ListeningPort[], now: readonly ListeningPort[]): readonly PortEvent[] {
  const earlier = new Set(before.map(nameOf));
  const later = new Set(now.map(nameOf));
  return [
    ...[...earlier.difference(later)].map((port) => ({ type: "port.closed", port }) as const),
    ...[...later.difference(earlier)].map((port) => ({ type: "port.opened", port }) as const),
  ];
}

/** What is recorded when only some events were sent: the next comparison finds the others. */
function reported(
  before: readonly ListeningPort[],
  now: readonly ListeningPort[],
  sent: readonly PortEvent[],
): readonly ListeningPort[] {
  const opened = new Set(sent.filter(({ type }) => type === "port.opened").map(({ port }) => port));
  const closed = new Set(sent.filter(({ type }) => type === "port.closed").map(({ port }) => port));
  return [
    ...before.filter((one) => !closed.has(nameOf(one))),
    ...now.filter((one) => opened.has(nameOf(one))),
  ];
}

function nameOf({ protocol, port }: ListeningPort): string {
  return `${protocol}/${port}`;
}

function isSame(
  known: Awaited<ReturnType<typeof listeningPortQueries.findListeningPorts>>,
  { ports, unlisted, at }: ListeningPorts,
): boolean {
  if (!known) return ports.length === 0;
  if (Number(known.seen_at) >= at) return true;
  return known.unlisted === unlisted && textOf(known.ports) === textOf(ports);
}

/** The database sorts the members of its objects. */
function textOf(ports: readonly ListeningPort[]): string {
  return JSON.stringify(
    ports.map(({ protocol, address, port, uid, pid, process }) => [
      protocol,
      address,
      port,
      uid,
      pid,
      process,
    ]),
  );
}

/** Connections from outside arrive at 127.0.0.1 of the guest (docs/reference/ports.md#listening-ports). */
function isReachable({ protocol, address }: ListeningPort): boolean {
  return protocol === "tcp" && ["0.0.0.0", "127.0.0.1", "::", "::ffff:7f00:1"].includes(address);
}
