import type { Capsule } from "@wrenn/sdk";
import { SvelteMap } from "svelte/reactivity";
import { isAbort, problemOf } from "#lib/api/problem.ts";
import type { Problem } from "#lib/api/problem.ts";
import type { LiveTerminal, TerminalChoice } from "./live-terminal.svelte.ts";

/** A tab of a capsule's page. */
export interface TerminalTab {
  /** Stays the same while the tab is there. */
  readonly key: string;
  readonly choice: TerminalChoice;
  /** What the program calls itself; nothing at first. */
  readonly title: string;
}

/** Where a terminal is on the page. */
export type Place = "whole" | "left" | "right" | "hidden";

/** The terminals of one capsule on its page: those that run there, and those that were opened here. */
export class TerminalTabs {
  all = $state.raw<readonly TerminalTab[]>([]);
  /** Takes what is typed. */
  activeKey = $state<string>();
  problem = $state.raw<Problem>();
  /** Keys of the terminals that are shown, from left to right: one, or two. */
  #sides = $state.raw<readonly string[]>([]);
  readonly #live = new SvelteMap<string, LiveTerminal>();
  readonly #capsule: Capsule;
  #made = 0;

  constructor(capsule: Capsule) {
    this.#capsule = capsule;
  }

  get isSplit(): boolean {
    return this.#sides.length > 1;
  }

  /** Finds the terminals that run; where there is none, a new one is opened. */
  readonly load = async (signal: AbortSignal): Promise<void> => {
    this.problem = undefined;
    try {
      const running = await this.#capsule.commands.list({ signal });
      const tags = running.flatMap(({ isTerminal, tag }) => (isTerminal && tag !== undefined ? [tag] : []));
      this.all = tags.map((tag) => ({ key: tag, choice: { kind: "tag", tag }, title: "" }));
      const [first] = tags;
      if (first === undefined) this.open();
      else this.show(first);
    } catch (error) {
      if (!isAbort(error)) this.problem = problemOf(error);
    }
  };

  /** A new terminal, in the place of the one that is typed into. */
  readonly open = (): void => {
    this.show(this.#add());
  };

  /** Brings a terminal to the front. */
  show(key: string): void {
    if (!this.#sides.includes(key)) {
      const at = this.#sides.indexOf(this.activeKey ?? "");
      this.#sides = at === -1 ? [key] : this.#sides.with(at, key);
    }
    this.activeKey = key;
  }

  /** Shows another terminal beside the active one, or the active one alone again. */
  readonly split = (): void => {
    const active = this.activeKey;
    if (active === undefined) return;
    if (this.isSplit) {
      this.#sides = [active];
      return;
    }
    const other = this.all.find(({ key }) => key !== active)?.key ?? this.#add();
    this.#sides = [active, other];
    this.activeKey = other;
  };

  placeOf(key: string): Place {
    const at = this.#sides.indexOf(key);
    if (at === -1) return "hidden";
    if (!this.isSplit) return "whole";
    return at === 0 ? "left" : "right";
  }

  /** Takes a tab away; its neighbour comes to the front. What runs in the terminal is not ended by it. */
  close(key: string): void {
    const at = this.all.findIndex((tab) => tab.key === key);
    this.all = this.all.filter((tab) => tab.key !== key);
    this.#sides = this.#sides.filter((side) => side !== key);
    if (this.activeKey !== key) return;
    this.activeKey = undefined;
    const next = this.#sides[0] ?? (this.all[at] ?? this.all[at - 1])?.key;
    if (next !== undefined) this.show(next);
  }

  rename(key: string, title: string): void {
    this.all = this.all.map((tab) => (tab.key === key ? { ...tab, title } : tab));
  }

  /** What runs in a tab, told by its pane. @returns what takes it back. */
  attach(key: string, live: LiveTerminal): () => void {
    this.#live.set(key, live);
    return () => this.#live.delete(key);
  }

  /** The terminal of a tab while its program runs. */
  running(key: string): LiveTerminal | undefined {
    const live = this.#live.get(key);
    return live?.state === "open" || live?.state === "broken" ? live : undefined;
  }

  #add(): string {
    const key = `new-${(this.#made += 1)}`;
    this.all = [...this.all, { key, choice: { kind: "new" }, title: "" }];
    return key;
  }
}
