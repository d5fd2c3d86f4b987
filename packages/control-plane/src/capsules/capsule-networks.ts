import type { NetworkDecision, NetworkRules } from "@wrenn/protocol";
import type { Fleet } from "../hosts/fleet.ts";
import type { NetworkControl } from "../network/network-routes.ts";
import type { CapsuleChanges } from "./capsule-changes.ts";
import type { CapsuleRows } from "./capsule-rows.ts";
import type { RunningCapsules } from "./running-capsules.ts";

const CALL_MS = 30_000;

export interface CapsuleNetworksDeps {
  readonly rows: CapsuleRows;
  readonly changes: Pick<CapsuleChanges, "recordNetwork">;
  readonly running: RunningCapsules;
  readonly fleet: Fleet;
}

/** The network rules of capsules: kept in their rows and enforced by their hosts. */
export class CapsuleNetworks implements NetworkControl {
  readonly #deps: CapsuleNetworksDeps;

  constructor(deps: CapsuleNetworksDeps) {
    this.#deps = deps;
  }

  async rules(teamId: string, publicId: string): Promise<NetworkRules | undefined> {
    const { network } = await this.#deps.rows.get(teamId, publicId);
    return network ?? undefined;
  }

  /** Takes effect at once, and again after every resume. @throws WrennError `capsule_not_running`. */
  async setRules(teamId: string, publicId: string, rules: NetworkRules): Promise<void> {
    const { changes, rows, fleet } = this.#deps;
    const row = await rows.getInState(teamId, publicId, ["running", "paused"]);
    await rows.touch(row.id);
    await fleet.of(row).setNetwork(publicId, rules, AbortSignal.timeout(CALL_MS));
    await changes.recordNetwork(row, rules);
  }

  async decisions(teamId: string, publicId: string): Promise<readonly NetworkDecision[]> {
    const { running, fleet } = this.#deps;
    const row = await running.get(teamId, publicId);
    return await fleet.of(row).networkDecisions(publicId, AbortSignal.timeout(CALL_MS));
  }
}
