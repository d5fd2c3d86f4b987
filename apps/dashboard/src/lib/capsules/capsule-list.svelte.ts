import { isWrennError } from "@wrenn/sdk";
import type { Capsule, CapsuleInfo, CreateOptions, Wrenn, WrennEvent } from "@wrenn/sdk";
import { problemOf } from "#lib/api/problem.ts";
import type { Problem } from "#lib/api/problem.ts";
import type { TeamEvents } from "#lib/api/team-events.svelte.ts";

/** Events about one capsule come in bursts: it is asked once for those of this time. */
const GATHER_MS = 30;
/** The list is shown anew after so many: each time it is sorted and drawn, which takes longer than to read a capsule. */
const PAGE_SIZE = 200;

/** The capsules of the team: loaded once, and kept right by events. */
export class CapsuleList {
  /** Whether the first load is over. */
  isLoaded = $state(false);
  problem = $state.raw<Problem>();
  /** Replaced by a copy at each change: a reactive map would be a signal for each of thousands of capsules. */
  #all = $state.raw<ReadonlyMap<string, CapsuleInfo>>(new Map());
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
    const { signal } = loading;
    const seen = new Set<string>();
    try {
      const page: Capsule[] = [];
      for await (const capsule of this.#wrenn.capsules.list({ signal, pageSize: PAGE_SIZE })) {
        seen.add(capsule.id);
        page.push(capsule);
        if (page.length === PAGE_SIZE) this.#put(...page.splice(0));
      }
      this.#put(...page);
      this.#drop(...[...this.#all.keys()].filter((id) => !seen.has(id)));
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

  /** Takes what calls have answered about capsules. One that has ended is still known to the server, and not in the list. */
  seen(...infos: readonly CapsuleInfo[]): void {
    if (infos.length === 0) return;
    const all = new Map(this.#all);
    for (const info of infos)
      if (info.status === "stopped") all.delete(info.id);
      else all.set(info.id, info);
    this.#all = all;
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

  #put(...capsules: readonly Capsule[]): void {
    for (const capsule of capsules) this.#handles.set(capsule.id, capsule);
    this.seen(...capsules.map(({ lastInfo }) => lastInfo));
  }

  #drop(...ids: readonly string[]): void {
    if (ids.length === 0) return;
    const all = new Map(this.#all);
    for (const id of ids) {
      this.#handles.delete(id);
      all.delete(id);
    }
    this.#all = all;
  }
}
