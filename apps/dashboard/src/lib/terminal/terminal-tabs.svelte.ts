import type { Capsule } from "@wrenn/sdk";
import { isAbort, problemOf } from "#lib/api/problem.ts";
import type { Problem } from "#lib/api/problem.ts";
import type { TerminalChoice } from "./live-terminal.svelte.ts";

/** A tab of a capsule's page. */
export interface TerminalTab {
  /** Stays the same while the tab is there. */
  readonly key: string;
  readonly choice: TerminalChoice;
  /** What the program calls itself; nothing at first. */
  readonly title: string;
}

/** The terminals of one capsule on its page: those that run there, and those that were opened here. */
export class TerminalTabs {
  all = $state.raw<readonly TerminalTab[]>([]);
  activeKey = $state<string>();
  problem = $state.raw<Problem>();
  isLoaded = $state(false);
  readonly #capsule: Capsule;
  #made = 0;

  constructor(capsule: Capsule) {
    this.#capsule = capsule;
  }

  /** Finds the terminals that run; where there is none, a new one is opened. */
  async load(signal: AbortSignal): Promise<void> {
    try {
      const { commands } = this.#capsule;
      const running = await commands.list({ signal });
      const details = await Promise.all(running.map(async ({ pid }) => await commands.get(pid, { signal })));
      const tags = details.flatMap(({ isTerminal, exit, tag }) =>
        isTerminal && !exit && tag !== undefined ? [tag] : [],
      );
      this.all = tags.map((tag) => ({ key: tag, choice: { kind: "tag", tag }, title: "" }));
      this.activeKey = this.all[0]?.key;
      this.isLoaded = true;
      if (this.all.length === 0) this.open();
    } catch (error) {
      if (!isAbort(error)) this.problem = problemOf(error);
    }
  }

  /** A new terminal, in front of the others. */
  readonly open = (): void => {
    const key = `new-${(this.#made += 1)}`;
    this.all = [...this.all, { key, choice: { kind: "new" }, title: "" }];
    this.activeKey = key;
  };

  /** Takes a tab away; its neighbour comes to the front. What runs in the terminal is not ended by it. */
  close(key: string): void {
    const at = this.all.findIndex((tab) => tab.key === key);
    this.all = this.all.filter((tab) => tab.key !== key);
    if (this.activeKey === key) this.activeKey = (this.all[at] ?? this.all[at - 1])?.key;
  }

  rename(key: string, title: string): void {
    this.all = this.all.map((tab) => (tab.key === key ? { ...tab, title } : tab));
  }
}
