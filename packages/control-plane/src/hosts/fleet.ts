import { setTimeout } from "node:timers/promises";
import { formatId, problemOf, WrennError } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import type { CapsuleStatus, HostAgent, TemplateFacts } from "@wrenn/protocol";

const LIST_MS = 10_000;
/** How long the answer of a host is waited for: a create must not wait for the slowest host. */
const FIRST_LIST_MS = 2000;
/** The same once there is an answer that can be used instead. */
const NEXT_LIST_MS = 500;

/** Called with every change of state of any capsule and the id of its host. */
export type FleetObserver = (status: CapsuleStatus, hostId: string) => void;

interface Member {
  readonly agent: HostAgent;
  readonly leave: () => void;
  /** What it answered last; empty when it did not. */
  templates?: readonly TemplateFacts[];
}

/** The host agents that this control plane can ask, by the ids of their hosts. */
export class Fleet {
  readonly #logger: Logger;
  readonly #members = new Map<string, Member>();
  readonly #observers = new Set<FleetObserver>();

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Adds a host, or puts another agent in the place of one it had. `close` is called when it leaves. */
  add(hostId: string, agent: HostAgent, close: () => void = () => undefined): void {
    this.remove(hostId);
    const unsubscribe = agent.onChange((status) => {
      for (const observer of this.#observers) observer(status, hostId);
    });
    const leave = (): void => {
      unsubscribe();
      close();
    };
    this.#members.set(hostId, { agent, leave });
  }

  remove(hostId: string): void {
    this.#members.get(hostId)?.leave();
    this.#members.delete(hostId);
  }

  ids(): readonly string[] {
    return [...this.#members.keys()];
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

  /** Reports every change to the observer. @returns the unsubscriber. */
  observe(observer: FleetObserver): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  /**
   * Built-in templates, each once. A host that does not answer does not keep the others from being heard; of one that is slow its
   * last answer counts.
   */
  async templates(): Promise<readonly TemplateFacts[]> {
    const byName = new Map<string, TemplateFacts>();
    const ask = async (hostId: string, member: Member): Promise<readonly TemplateFacts[]> => {
      try {
        member.templates = await member.agent.listTemplates(AbortSignal.timeout(LIST_MS));
        return member.templates;
      } catch (error) {
        this.#logger.warn("host.templates_unknown", {
          host: formatId("host", hostId),
          problem: problemOf(error),
        });
        member.templates ??= [];
        return member.templates;
      }
    };
    const askPatiently = async ([hostId, member]: readonly [string, Member]) => {
      const asked = ask(hostId, member);
      const patienceMs = member.templates ? NEXT_LIST_MS : FIRST_LIST_MS;
      const heard = new AbortController();
      const late = setTimeout(patienceMs, member.templates ?? [], { signal: heard.signal });
      late.catch(() => {});
      const templates = await Promise.race([asked, late]);
      heard.abort();
      return templates;
    };
    for (const facts of (await Promise.all([...this.#members].map(askPatiently))).flat())
      if (!byName.has(facts.name)) byName.set(facts.name, facts);
    return [...byName.values()];
  }

  close(): void {
    for (const hostId of this.ids()) this.remove(hostId);
  }
}
