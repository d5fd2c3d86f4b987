import { isWrennError } from "@wrenn/sdk";
import type { Capsule, CapsuleInfo, CreateOptions, Wrenn, WrennEvent } from "@wrenn/sdk";
import { SvelteMap } from "svelte/reactivity";
import { problemOf } from "#lib/api/problem.ts";
import type { Problem } from "#lib/api/problem.ts";
import type { TeamEvents } from "#lib/api/team-events.svelte.ts";

/** Events about one capsule come in bursts: it is asked once for those of this time. */
const GATHER_MS = 30;

/** The capsules of the team: loaded once, and kept right by events. */
export class CapsuleList {
  /** Whether the first load is over. */
  isLoaded = $state(false);
  problem = $state.raw<Problem>();
  readonly #all = new SvelteMap<string, CapsuleInfo>();
  readonly #handles = new Map<string, Capsule>();
  readonly #wrenn: Wrenn;
  readonly #due = new Set<string>();
  #gathering: ReturnType<typeof setTimeout> | undefined;
  #loading: AbortController | undefined;

  constructor(wrenn: Wrenn) {
    this.#wrenn = wrenn;
  }

  /** All of them, the newest first. */
  readonly newestFirst: readonly CapsuleInfo[] = $derived.by(() =>
    [...this.#all.values()].sort((one, other) => other.createdAt.getTime() - one.createdAt.getTime()),
  );

  /** @param id - of a capsule; names are not known here. */
  get(id: string): CapsuleInfo | undefined {
    return this.#all.get(id);
  }

  /** Follows the events until the returned function is called. */
  attach(events: TeamEvents): () => void {
    const ends = [events.listen((event) => this.#hear(event)), events.onGap(() => void this.load())];
    return () => {
      for (const end of ends) end();
      clearTimeout(this.#gathering);
      this.#loading?.abort();
    };
  }

  /** Loads everything; what is there already stays visible meanwhile. */
  readonly load = async (): Promise<void> => {
    this.#loading?.abort();
    const loading = (this.#loading = new AbortController());
    const seen = new Set<string>();
    try {
      for await (const capsule of this.#wrenn.capsules.list({ signal: loading.signal, pageSize: 200 })) {
        seen.add(capsule.id);
        this.#put(capsule);
      }
      for (const id of this.#all.keys()) if (!seen.has(id)) this.#drop(id);
      this.problem = undefined;
      this.isLoaded = true;
    } catch (error) {
      if (!loading.signal.aborted) this.problem = problemOf(error);
    }
  };

  /** A handle to work with. @throws WrennError `not_found`. */
  async handle(idOrName: string): Promise<Capsule> {
    const known = this.#handles.get(idOrName);
    if (known) return known;
    const capsule = await this.#wrenn.capsules.get(idOrName);
    this.#put(capsule);
    return capsule;
  }

  /** Starts one, which is in the list at once. */
  async create(options: CreateOptions): Promise<Capsule> {
    const capsule = await this.#wrenn.capsules.create(options);
    this.#put(capsule);
    return capsule;
  }

  readonly pause = async (id: string): Promise<void> => await this.#change(id, (capsule) => capsule.pause());
  readonly resume = async (id: string): Promise<void> =>
    await this.#change(id, (capsule) => capsule.resume());

  readonly destroy = async (id: string): Promise<void> => {
    await (await this.handle(id)).destroy();
    this.#drop(id);
  };

  /** Takes what a call has answered about a capsule. One that has ended is still known to the server, and not in the list. */
  seen(info: CapsuleInfo): void {
    if (info.status === "stopped") this.#drop(info.id);
    else this.#all.set(info.id, info);
  }

  async #change(id: string, change: (capsule: Capsule) => Promise<CapsuleInfo>): Promise<void> {
    this.seen(await change(await this.handle(id)));
  }

  #hear({ type, resource }: WrennEvent): void {
    if (resource?.type !== "capsule" || !type.startsWith("capsule.")) return;
    if (type === "capsule.destroyed") {
      this.#drop(resource.id);
      return;
    }
    this.#due.add(resource.id);
    this.#gathering ??= setTimeout(() => {
      this.#gathering = undefined;
      const due = [...this.#due];
      this.#due.clear();
      for (const id of due) void this.#refresh(id);
    }, GATHER_MS);
  }

  async #refresh(id: string): Promise<void> {
    try {
      const known = this.#handles.get(id);
      if (known) this.seen(await known.info());
      else this.#put(await this.#wrenn.capsules.get(id));
    } catch (error) {
      if (isWrennError(error, "not_found")) this.#drop(id);
      // Otherwise the connection is broken, and everything is loaded again when it is back.
    }
  }

  #put(capsule: Capsule): void {
    this.#handles.set(capsule.id, capsule);
    this.seen(capsule.lastInfo);
  }

  #drop(id: string): void {
    this.#handles.delete(id);
    this.#all.delete(id);
  }
}
