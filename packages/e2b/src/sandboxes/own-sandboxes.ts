import type { SharedServices } from "@wrenn/control-plane";
import { WrennError } from "@wrenn/core";
import type { CapsuleRow } from "@wrenn/database";
import { capsuleIdOf } from "../sandbox-id.ts";
import { stateOf } from "./sandbox-json.ts";
import type { SandboxState } from "./sandbox-json.ts";

const STATE_MS = 5000;

/** A sandbox of the caller's team that has not ended. */
export interface OwnSandbox {
  readonly capsuleId: string;
  readonly row: CapsuleRow;
}

/** Sandboxes of one team. */
export class OwnSandboxes {
  readonly #services: Pick<SharedServices, "capsules" | "fleet">;

  constructor(services: Pick<SharedServices, "capsules" | "fleet">) {
    this.#services = services;
  }

  /** @throws WrennError `capsule_not_found`, also for one that has ended, for one of another team, and for a text that is no id. */
  async get(teamId: string, sandboxId: string): Promise<OwnSandbox> {
    const capsuleId = capsuleIdOf(sandboxId);
    if (capsuleId === undefined) throw new WrennError("capsule_not_found", {});
    const row = await this.#services.capsules.rows.get(teamId, capsuleId);
    if (row.status === "stopped" || row.status === "error") throw new WrennError("capsule_not_found", {});
    return { capsuleId, row };
  }

  /** The state as its host has it: a sandbox that is being paused counts as paused from the beginning. */
  async state({ capsuleId, row }: OwnSandbox): Promise<SandboxState> {
    const state = stateOf(row);
    if (row.status !== "running") return state;
    try {
      const host = await this.#services.fleet.of(row).capsule(capsuleId, AbortSignal.timeout(STATE_MS));
      return host.state === "pausing" || host.state === "paused" ? "paused" : state;
    } catch (error) {
      // What the host does not say now, the row does.
      if (WrennError.is(error, "host_unavailable") || WrennError.is(error, "capsule_not_found")) return state;
      throw error;
    }
  }
}
