import { createHash } from "node:crypto";
import { abortable, asError, GroupedWrites, problemOf } from "@wrenn/core";
import type { Logger } from "@wrenn/core";
import { teamRules } from "./connection-limits.ts";
import type { ConnectionLimits } from "./connection-limits.ts";
import { hostTable, slotOf } from "./naming.ts";
import type { Instance } from "./naming.ts";
import type { Runner } from "./runner.ts";

const CHANGE_MS = 5000;

export interface TeamConnectionsDeps {
  readonly instance: Instance;
  readonly runner: Runner;
  readonly logger: Logger;
}

export interface TeamConnectionsOptions {
  readonly limits: ConnectionLimits;
  /** Entries that the host's table of connections takes. */
  readonly tableSize: number;
}

type Change =
  /** The chain that a slot counts for from now on; without one, it is forgotten. */
  | { readonly number: number; readonly chain: string | undefined }
  /** The host's rules, for a table that is gone: it gets them, and every slot's team, at once. */
  | { readonly hostRules: string };

/**
 * Which team each slot's connections count for, in the host's rules: a chain for each team that has slots here. Changes that are asked
 * for while the kernel takes others go into the next transaction together.
 */
export class TeamConnections {
  readonly #deps: TeamConnectionsDeps;
  readonly #options: TeamConnectionsOptions;
  /** The chain of each slot that has a team, as the kernel has it. */
  #chains: ReadonlyMap<number, string> = new Map();
  /** Chains that the kernel may have, after a transaction of which it is not known whether it took effect; then it is told everything. */
  #doubtful: ReadonlySet<string> | undefined;
  readonly #changes = new GroupedWrites<Change, void>((changes) => this.#apply(changes));

  constructor(deps: TeamConnectionsDeps, options: TeamConnectionsOptions) {
    this.#deps = deps;
    this.#options = options;
  }

  /**
   * From when this resolves, new connections of the slot count for the team. After an abort they may do so, too.
   *
   * @throws WrennError `command_failed`.
   */
  async assign(number: number, team: string, signal: AbortSignal): Promise<void> {
    const chain = `team_${createHash("sha256").update(team).digest("hex").slice(0, 16)}`;
    await abortable(signal, this.#changes.write({ number, chain }));
  }

  /** Forgets a slot. What cannot be removed now is replaced when the number is assigned again. */
  async release(number: number): Promise<void> {
    try {
      await this.#changes.write({ number, chain: undefined });
    } catch (error) {
      this.#deps.logger.warn("network.team_kept", { slot: number, problem: problemOf(error) });
    }
  }

  /** Puts the host's rules and the teams of all slots back into a kernel that has lost them. @throws WrennError `command_failed`. */
  async restore(hostRules: string): Promise<void> {
    await this.#changes.write({ hostRules });
  }

  /** One transaction for all; when the kernel refuses it, one for each, so that none fails because of another. */
  async #apply(changes: readonly Change[]): Promise<readonly (void | Error)[]> {
    try {
      await this.#change(changes);
      return [];
    } catch (error) {
      if (changes.length === 1) throw error;
    }
    const results: (void | Error)[] = [];
    for (const change of changes)
      results.push(await this.#change([change]).catch((error: unknown) => asError(error)));
    return results;
  }

  async #change(changes: readonly Change[]): Promise<void> {
    const after = new Map(this.#chains);
    let hostRules: string | undefined;
    for (const change of changes) {
      if ("hostRules" in change) hostRules = change.hostRules;
      else if (change.chain === undefined) after.delete(change.number);
      else after.set(change.number, change.chain);
    }
    const isRewritten = hostRules !== undefined || this.#doubtful !== undefined;
    const before = isRewritten ? new Map<number, string>() : this.#chains;
    const first = hostRules === undefined ? this.#clearing(after) : [hostRules];
    const commands = [...first, ...this.#difference(before, after)];
    try {
      if (commands.length > 0)
        await this.#deps.runner(["nft", "-f", "-"], {
          signal: AbortSignal.timeout(CHANGE_MS),
          input: `${commands.join("\n")}\n`,
        });
    } catch (error) {
      // A program that was killed may have had its way.
      this.#doubtful = new Set([...(this.#doubtful ?? []), ...this.#chains.values(), ...after.values()]);
      throw error;
    }
    this.#doubtful = undefined;
    this.#chains = after;
  }

  /** Commands that remove whatever the kernel has of teams where that is not known, but for chains that are needed. */
  #clearing(after: ReadonlyMap<number, string>): string[] {
    if (this.#doubtful === undefined) return [];
    const table = `inet ${hostTable(this.#deps.instance.id)}`;
    const has = new Set(after.values());
    return [
      `flush map ${table} slot_teams`,
      // One that does not exist cannot be deleted.
      ...[...this.#doubtful].flatMap((chain) =>
        has.has(chain) ? [] : [`add chain ${table} ${chain}`, `delete chain ${table} ${chain}`],
      ),
    ];
  }

  /** Commands that take the kernel's teams from one state to another; chains without a slot go. */
  #difference(before: ReadonlyMap<number, string>, after: ReadonlyMap<number, string>): string[] {
    const table = `inet ${hostTable(this.#deps.instance.id)}`;
    const element = (number: number): string => slotOf(this.#deps.instance, number).hostAddress;
    const [had, has] = [new Set(before.values()), new Set(after.values())];
    const rules = teamRules(this.#options.tableSize, this.#options.limits);
    return [
      ...[...has].flatMap((chain) =>
        had.has(chain)
          ? []
          : [
              `add chain ${table} ${chain}`,
              `flush chain ${table} ${chain}`,
              ...rules.map((rule) => `add rule ${table} ${chain} ${rule}`),
            ],
      ),
      ...[...before]
        .filter(([number, chain]) => after.get(number) !== chain)
        .map(([number]) => `delete element ${table} slot_teams { ${element(number)} }`),
      ...[...after]
        .filter(([number, chain]) => before.get(number) !== chain)
        .map(([number, chain]) => `add element ${table} slot_teams { ${element(number)} : goto ${chain} }`),
      ...[...had].filter((chain) => !has.has(chain)).map((chain) => `delete chain ${table} ${chain}`),
    ];
  }
}
