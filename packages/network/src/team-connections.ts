import { createHash } from "node:crypto";
import { KeyedQueue, problemOf } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { teamRules } from "./connection-limits.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import { hostTable, slotOf } from "./naming.ts";
import type { Instance } from "./naming.ts";
import type { Runner } from "./runner.ts";

export interface TeamConnectionsDeps {
  readonly instance: Instance;
  readonly runner: Runner;
  readonly logger: Logger;
}

/** Which team each slot's connections count for, in the host's rules: a chain for each team that has slots here. */
export class TeamConnections {
  readonly #deps: TeamConnectionsDeps;
  readonly #limits: ConnectionLimits;
  /** The chain of each slot that has a team, as the kernel has it. */
  readonly #chains = new Map<number, string>();
  readonly #queue = new KeyedQueue();

  constructor(deps: TeamConnectionsDeps, limits: ConnectionLimits) {
    this.#deps = deps;
    this.#limits = limits;
  }

  /** From when this resolves, new connections of the slot count for the team. @throws WrennError `command_failed`. */
  async assign(number: number, team: string, signal: AbortSignal): Promise<void> {
    const chain = `team_${createHash("sha256").update(team).digest("hex").slice(0, 16)}`;
    await this.#queue.run("", async () => {
      if (this.#chains.get(number) === chain) return;
      const isNew = ![...this.#chains.values()].includes(chain);
      await this.#change(
        [
          ...this.#removal(number),
          ...(isNew ? [`add chain ${this.#table} ${chain}`, `flush chain ${this.#table} ${chain}`] : []),
          ...(isNew ? teamRules(this.#limits).map((rule) => `add rule ${this.#table} ${chain} ${rule}`) : []),
          `add element ${this.#table} slot_teams { ${this.#address(number)} : jump ${chain} }`,
        ],
        signal,
      );
      this.#chains.set(number, chain);
    });
  }

  /** Forgets a slot. What cannot be removed now is replaced when the number is assigned again. */
  async release(number: number): Promise<void> {
    await this.#queue.run("", async () => {
      const removal = this.#removal(number);
      if (removal.length === 0) return;
      try {
        await this.#change(removal, AbortSignal.timeout(5000));
        this.#chains.delete(number);
      } catch (error) {
        this.#deps.logger.warn("network.team_kept", { slot: number, problem: problemOf(error) });
      }
    });
  }

  /** Commands that take the slot's element away, and with the last slot of a team its chain. */
  #removal(number: number): string[] {
    const chain = this.#chains.get(number);
    if (chain === undefined) return [];
    const isLast = [...this.#chains].every(([other, of]) => other === number || of !== chain);
    return [
      `delete element ${this.#table} slot_teams { ${this.#address(number)} }`,
      ...(isLast ? [`delete chain ${this.#table} ${chain}`] : []),
    ];
  }

  async #change(commands: readonly string[], signal: AbortSignal): Promise<void> {
    await this.#deps.runner(["nft", "-f", "-"], { signal, input: `${commands.join("\n")}\n` });
  }

  #address(number: number): string {
    return slotOf(this.#deps.instance, number).hostAddress;
  }

  get #table(): string {
    return `inet ${hostTable(this.#deps.instance.id)}`;
  }
}
