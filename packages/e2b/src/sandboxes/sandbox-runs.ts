import type { SharedServices } from "@wrenn/control-plane";
import { abortable, WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { CapsuleRow } from "@wrenn/database";
import type { OwnSandbox, OwnSandboxes } from "./own-sandboxes.ts";

const POLL_MS = 100;
/** How long a connect waits for a sandbox that is being made or paused. */
const SETTLE_MS = 120_000;

export interface SandboxRunsDeps {
  readonly services: Pick<SharedServices, "capsules" | "fleet">;
  readonly sandboxes: OwnSandboxes;
  readonly clock: Clock;
}

export interface ConnectRequest {
  readonly timeoutSec: number;
  /** False: a paused sandbox is booted from its disk. */
  readonly memory: boolean;
}

/** The sandbox that a request names, and for how long the request is worth an answer. */
export interface RunRequest {
  readonly teamId: string;
  readonly sandboxId: string;
  /** Aborts when the client left, or the server closes. */
  readonly signal: AbortSignal;
}

/**
 * The ends of the runs of sandboxes, and their pauses and resumes as clients of this API expect them.
 *
 * A signal that aborts ends the waits before an operation, with its reason: nothing has begun by then, and nothing is left behind. A pause
 * or a resume that has begun is carried out and recorded, with the end that goes with it, since half of one is of no use to anyone.
 */
export class SandboxRuns {
  readonly #deps: SandboxRunsDeps;
  readonly #resumes = new Map<string, Promise<CapsuleRow>>();

  constructor(deps: SandboxRunsDeps) {
    this.#deps = deps;
  }

  /** Lets the run end `seconds` from now, earlier than before too. @throws WrennError `capsule_not_found` unless it runs. */
  async setEnd(request: RunRequest, seconds: number): Promise<void> {
    await this.#extend(await this.#running(request), { fromNowSec: seconds });
  }

  /** Lets the run end `seconds` from now if that is later than before. @throws WrennError `capsule_not_found` unless it runs. */
  async keepAlive(request: RunRequest, seconds: number): Promise<void> {
    await this.#extend(await this.#running(request), { fromNowSec: seconds, onlyLater: true });
  }

  /** @throws WrennError `sandbox_paused_already`, `capsule_not_found`. */
  async pause(request: RunRequest, memory: boolean): Promise<void> {
    const { capsules } = this.#deps.services;
    const { teamId, sandboxId } = request;
    const sandbox = await this.#created(request);
    if ((await this.#deps.sandboxes.state(sandbox)) === "paused")
      throw new WrennError("sandbox_paused_already", { sandbox: sandboxId });
    try {
      await capsules.lifecycle.pause(teamId, sandbox.capsuleId, { memory });
    } catch (error) {
      if (!WrennError.is(error, "capsule_not_running")) throw error;
      throw new WrennError("sandbox_paused_already", { sandbox: sandboxId }, { cause: error });
    }
  }

  /**
   * The sandbox, which runs when this resolves. One that runs is kept alive; a paused one is resumed and ends `timeoutSec` from
   * now. Concurrent callers share one resume, and the longest of their times counts.
   *
   * @returns whether it was resumed.
   * @throws WrennError `capsule_not_found`, and those of a resume.
   */
  async connect(
    request: RunRequest,
    { timeoutSec, memory }: ConnectRequest,
  ): Promise<{ readonly row: CapsuleRow; readonly isResumed: boolean }> {
    const { clock, sandboxes } = this.#deps;
    const { teamId, signal } = request;
    const deadline = clock.monotonic() + SETTLE_MS;
    const later = { fromNowSec: timeoutSec, onlyLater: true };
    for (;;) {
      const sandbox = await this.#created(request);
      const { capsuleId, row } = sandbox;
      const shared = this.#resumes.get(capsuleId);
      if (shared) {
        await abortable(signal, shared);
        return { row: await this.#extend(sandbox, later), isResumed: true };
      }
      if (row.status === "paused")
        return { row: await this.#resume(teamId, capsuleId, { timeoutSec, memory }), isResumed: true };
      if (row.status === "missing") throw new WrennError("host_unavailable", {});
      if (row.status === "running" && (await sandboxes.state(sandbox)) === "running")
        return { row: await this.#extend(sandbox, later), isResumed: false };
      if (clock.monotonic() >= deadline) throw new WrennError("capsule_busy", { operation: "pause" });
      await clock.sleep(POLL_MS, signal);
    }
  }

  /** Resumes a paused sandbox. @throws WrennError `sandbox_runs_already`, `capsule_not_found`. */
  async resume(request: RunRequest, wanted: ConnectRequest): Promise<CapsuleRow> {
    const sandbox = await this.#created(request);
    if ((await this.#deps.sandboxes.state(sandbox)) === "running")
      throw new WrennError("sandbox_runs_already", { sandbox: request.sandboxId });
    return (await this.connect(request, wanted)).row;
  }

  async #resume(
    teamId: string,
    capsuleId: string,
    { memory, timeoutSec }: ConnectRequest,
  ): Promise<CapsuleRow> {
    const { lifecycle, changes, running } = this.#deps.services.capsules;
    const resumed = async (): Promise<CapsuleRow> => {
      if (memory) await running.resume(teamId, capsuleId);
      else await lifecycle.resume(teamId, capsuleId, { memory: false });
      return await changes.extend(teamId, capsuleId, { fromNowSec: timeoutSec });
    };
    const resume = resumed().finally(() => this.#resumes.delete(capsuleId));
    this.#resumes.set(capsuleId, resume);
    return await resume;
  }

  async #extend(
    { row, capsuleId }: OwnSandbox,
    extension: { readonly fromNowSec: number; readonly onlyLater?: boolean },
  ): Promise<CapsuleRow> {
    try {
      return await this.#deps.services.capsules.changes.extend(row.team_id, capsuleId, extension);
    } catch (error) {
      // It was paused or killed in the meantime.
      if (WrennError.is(error, "capsule_not_running") || WrennError.is(error, "capsule_ended"))
        throw new WrennError("capsule_not_found", {}, { cause: error });
      throw error;
    }
  }

  /** A sandbox that runs, for what clients take 404 for where it does not. */
  async #running(request: RunRequest): Promise<OwnSandbox> {
    const sandbox = await this.#created(request);
    if (sandbox.row.status === "paused") throw new WrennError("capsule_not_found", {});
    return sandbox;
  }

  /** A sandbox once its creation has ended. */
  async #created({ teamId, sandboxId, signal }: RunRequest): Promise<OwnSandbox> {
    const { rows } = this.#deps.services.capsules;
    signal.throwIfAborted();
    const { capsuleId } = await this.#deps.sandboxes.get(teamId, sandboxId);
    const row = await rows.getCreated(teamId, capsuleId, SETTLE_MS, signal);
    if (row.status === "stopped" || row.status === "error") throw new WrennError("capsule_not_found", {});
    return { capsuleId, row };
  }
}
