import { setTimeout } from "node:timers/promises";
import { formatId, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { CapsuleStatus, HostAgent, ListeningPorts, TemplateFacts, IdleMachines } from "@wrenn/protocol";
import { ReportedChanges } from "./reported-changes.ts";
import type { ReportedChangesDeps } from "./reported-changes.ts";

const LIST_MS = 10_000;
const WAITING_MS = 10_000;
/** How long the first answer of a host is waited for; later ones are waited for by no request. */
const FIRST_LIST_MS = 2000;
/** An answer that is older is asked for again. */
const FRESH_MS = 5000;

/** Called with every change of state of any capsule and the id of its host. */
export type FleetObserver = (status: CapsuleStatus, hostId: string) => void;

/** Called with what listens in a capsule when that changed, and the id of its host. */
export type ListenersObserver = (listeners: ListeningPorts, hostId: string) => void;

/** What a control plane knows of a host, whatever the host says. */
export interface FleetPlace {
  /** Whether it is this process: its reports are the platform's own. */
  readonly isLocal: boolean;
  /** The team that brought it; null for a host of the platform. */
  readonly teamId: string | null;
  /** Called when the host leaves. */
  readonly close?: () => void;
}

interface Member extends FleetPlace {
  readonly agent: HostAgent;
  readonly leave: () => void;
  /** What it answered last; empty when it did not. */
  templates?: readonly TemplateFacts[];
  waiting?: IdleMachines;
  asking?: Promise<readonly TemplateFacts[]>;
  askedAt?: number;
}

export interface FleetDeps extends Pick<ReportedChangesDeps<CapsuleStatus>, "placedOn"> {
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The host agents that this control plane can ask, by the ids of their hosts. */
export class Fleet {
  readonly #deps: FleetDeps;
  readonly #members = new Map<string, Member>();
  readonly #observers = new Set<FleetObserver>();
  readonly #listenersObservers = new Set<ListenersObserver>();

  constructor(deps: FleetDeps) {
    this.#deps = deps;
  }

  /** Adds a host, or puts another agent in the place of one it had. */
  add(hostId: string, agent: HostAgent, place: FleetPlace): void {
    this.remove(hostId);
    const deliver = (status: CapsuleStatus): void => {
      for (const observer of this.#observers) observer(status, hostId);
    };
    const deliverListeners = (listeners: ListeningPorts): void => {
      for (const observer of this.#listenersObservers) observer(listeners, hostId);
    };
    const endings = [
      this.#follow(hostId, place, {
        observe: (observer) => agent.onChange(observer),
        deliver,
        keyOf: ({ id, state }) => `${id} ${state}`,
      }),
      this.#follow(hostId, place, {
        observe: (observer) => agent.onListeners(observer),
        deliver: deliverListeners,
        keyOf: ({ id }) => id,
      }),
    ];
    const leave = (): void => {
      for (const end of endings) end();
      place.close?.();
    };
    this.#members.set(hostId, { ...place, agent, leave });
  }

  /** Delivers reports of a host, those of other machines within bounds. @returns what ends that. */
  #follow<T extends { readonly id: string }>(
    hostId: string,
    { isLocal }: FleetPlace,
    {
      observe,
      ...delivery
    }: Pick<ReportedChangesDeps<T>, "deliver" | "keyOf"> & {
      readonly observe: (observer: (report: T) => void) => () => void;
    },
  ): () => void {
    if (isLocal) return observe(delivery.deliver);
    const reports = new ReportedChanges<T>(hostId, { ...this.#deps, ...delivery });
    const unsubscribe = observe((report) => reports.add(report));
    return () => {
      unsubscribe();
      reports.close();
    };
  }

  remove(hostId: string): void {
    this.#members.get(hostId)?.leave();
    this.#members.delete(hostId);
  }

  ids(): readonly string[] {
    return [...this.#members.keys()];
  }

  /** The team that brought a host; null for a host of the platform, and for one that is not known here. */
  ownerOf(hostId: string): string | null {
    return this.#members.get(hostId)?.teamId ?? null;
  }

  /**
   * Of the hosts that have a template those that may give it to a host of `owner`, the platform's own first. What a team's host says of
   * a template is believed by hosts of that team only.
   *
   * @param owner - the team of the other host, or null for the platform.
   * @throws WrennError `no_hosts` when only hosts of other teams have it; `template_hosts_unreachable` when this control plane can ask none.
   */
  sourcesFor(owner: string | null, template: string, holders: readonly string[]): readonly string[] {
    const known = holders.flatMap((id) => {
      const member = this.#members.get(id);
      return member ? [{ id, member }] : [];
    });
    if (known.length === 0) {
      const hosts = holders.map((id) => formatId("host", id)).join(", ");
      throw new WrennError("template_hosts_unreachable", { template, hosts });
    }
    const permitted = known.filter(({ member }) => member.teamId === null || member.teamId === owner);
    if (permitted.length === 0) throw new WrennError("no_hosts", {});
    const rank = ({ member }: (typeof known)[number]): number =>
      member.isLocal ? 0 : member.teamId === null ? 1 : 2;
    return permitted.toSorted((one, other) => rank(one) - rank(other)).map(({ id }) => id);
  }

  /** @throws WrennError `host_unavailable` for a host that this control plane cannot ask. */
  agent(hostId: string | null): HostAgent {
    const member = hostId === null ? undefined : this.#members.get(hostId);
    if (!member) throw new WrennError("host_unavailable", {});
    return member.agent;
  }

  /** The agent of the host that a capsule or template is on. @throws WrennError `host_unavailable`. */
  of(row: { readonly host_id: string | null }): HostAgent {
    return this.agent(row.host_id);
  }

  /**
   * Says to a host whether machines may wait on it for capsules, and notes what waits. One that does not answer, or is of an earlier
   * version, keeps what it has: the next call says it again.
   */
  allowWaiting(hostId: string, allowed: boolean): void {
    const member = this.#members.get(hostId);
    if (!member) return;
    member.agent.allowWaiting(allowed, AbortSignal.timeout(WAITING_MS)).then(
      (waiting) => (member.waiting = waiting),
      (error: unknown) => {
        delete member.waiting;
        this.#deps.logger.debug("host.waiting_unknown", {
          host: formatId("host", hostId),
          problem: problemOf(error),
        });
      },
    );
  }

  /** What waits on each host that said so, by the ids of the hosts. */
  waiting(): ReadonlyMap<string, IdleMachines> {
    const known = [...this.#members].flatMap(([id, { waiting }]) =>
      waiting ? [[id, waiting] as const] : [],
    );
    return new Map(known);
  }

  /** Reports every change to the observer. @returns the unsubscriber. */
  observe(observer: FleetObserver): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /** Reports what listens in any capsule to the observer when it changes. @returns the unsubscriber. */
  observeListeners(observer: ListenersObserver): () => void {
    this.#listenersObservers.add(observer);
    return () => this.#listenersObservers.delete(observer);
  }

  /**
   * Facts of the templates with these names, each once: as this machine has it, or else a host of the platform, or else one of the
   * team. What a host says of other names is ignored. A request waits only for the first answer of a host, and not long.
   */
  async templates(names: ReadonlySet<string>, teamId?: string): Promise<readonly TemplateFacts[]> {
    const byName = new Map<string, TemplateFacts>();
    for (const facts of [...(await this.templatesByHost(teamId)).values()].flat())
      if (names.has(facts.name) && !byName.has(facts.name)) byName.set(facts.name, facts);
    return [...byName.values()];
  }

  /** What each host has that a team's capsules may be on, those first that the platform trusts most. */
  async templatesByHost(teamId?: string): Promise<ReadonlyMap<string, readonly TemplateFacts[]>> {
    const trusted = [...this.#members].filter(([, member]) => member.isLocal);
    const platform = [...this.#members].filter(([, member]) => !member.isLocal && member.teamId === null);
    const own = [...this.#members].filter(([, { teamId: owner }]) => owner !== null && owner === teamId);
    const hosts = [...trusted, ...platform, ...own];
    const answers = await Promise.all(hosts.map((one) => this.#lastAnswer(one)));
    return new Map(hosts.map(([hostId], at) => [hostId, answers[at] ?? []]));
  }

  close(): void {
    for (const hostId of this.ids()) this.remove(hostId);
  }

  async #lastAnswer([hostId, member]: readonly [string, Member]): Promise<readonly TemplateFacts[]> {
    const { clock } = this.#deps;
    if (member.askedAt === undefined || clock.monotonic() - member.askedAt > FRESH_MS) {
      member.askedAt = clock.monotonic();
      member.asking ??= this.#ask(hostId, member).finally(() => delete member.asking);
    }
    if (member.templates) return member.templates;
    const heard = new AbortController();
    const late = setTimeout(FIRST_LIST_MS, [], { signal: heard.signal });
    late.catch(() => {});
    const templates = await Promise.race([member.asking ?? [], late]);
    heard.abort();
    return templates;
  }

  async #ask(hostId: string, member: Member): Promise<readonly TemplateFacts[]> {
    try {
      member.templates = await member.agent.listTemplates(AbortSignal.timeout(LIST_MS));
    } catch (error) {
      this.#deps.logger.warn("host.templates_unknown", {
        host: formatId("host", hostId),
        problem: problemOf(error),
      });
      member.templates ??= [];
    }
    return member.templates;
  }
}
