import { WrennError } from "../errors/wrenn-error.ts";
import { orAborted, sleep } from "../transport/abort.ts";
import { segment } from "../transport/http.ts";
import type { HttpClient } from "../transport/http.ts";
import { randomHex } from "../transport/random.ts";
import type { WireBody, WireObject } from "../wire/api-types.ts";
import { progressOf } from "./capsule-info.ts";
import type { CreateOptions } from "./capsule-options.ts";

export type WireCapsule = WireObject<"Capsule">;

/** Milliseconds that calls may take whose work grows with the memory of a capsule. */
export const LONG_CALL_MS = 600_000;

/** Milliseconds between two looks at a capsule that is being started: the first, and at most. */
const LOOK_MS = { first: 50, most: 1000 };
/** Milliseconds for which a host that does not answer is waited for: it may be starting again. */
const HOST_PATIENCE_MS = 30_000;
/** Milliseconds that the destruction of an unwanted capsule may take. */
const CLEAN_UP_MS = 10_000;
/** Resumes that fail because something else changes the capsule at the same time. */
const RESUMES = 10;

/** The path of a capsule by its id or name. */
export function capsulePath(idOrName: string): string {
  return `/v1/capsules/${segment(idOrName)}`;
}

export async function findCapsule(
  http: HttpClient,
  idOrName: string,
  signal: AbortSignal | undefined,
): Promise<WireCapsule> {
  return await http.json<WireCapsule>("GET", capsulePath(idOrName), { signal });
}

/**
 * Creates a capsule and waits until it runs. The request carries a key: repeated after a broken connection, it still makes one
 * capsule. A capsule that is unwanted before it runs, because the wait was aborted or failed, is destroyed: after an abort, the call
 * waits up to 10 s for the answer of the server, which names the capsule.
 *
 * @throws WrennError of the refusal, or with the reason `operation_failed` when it could not be started.
 */
export async function createCapsule(
  http: HttpClient,
  body: WireBody<"POST /v1/capsules">,
  { signal, onProgress }: Pick<CreateOptions, "signal" | "onProgress">,
): Promise<WireCapsule> {
  const headers = { "idempotency-key": `sdk-${randomHex(16)}` };
  signal?.throwIfAborted();
  // Without the signal: the server finishes a create that has a key, also for a client that left.
  const creating = http.json<WireCapsule>("POST", "/v1/capsules", { json: body, headers });
  let created: WireCapsule;
  try {
    created = await orAborted(creating, signal);
  } catch (error) {
    if (signal?.aborted === true) await destroyAnswered(http, creating);
    throw error;
  }
  let started: WireCapsule;
  try {
    started = await settled(http, created, signal, onProgress);
  } catch (error) {
    await destroyUnwanted(http, created.id);
    throw error;
  }
  if (hasEnded(started)) throw startFailed(started);
  return started;
}

/** The capsule as it runs: one that is being started is waited for, and a paused one resumed. @throws as {@link settled}, {@link ended}. */
export async function connectCapsule(
  http: HttpClient,
  idOrName: string,
  signal: AbortSignal | undefined,
): Promise<WireCapsule> {
  let capsule = await findCapsule(http, idOrName, signal);
  for (let attempt = 1; ; attempt++) {
    capsule = await settled(http, capsule, signal);
    if (capsule.status === "running") return capsule;
    if (hasEnded(capsule)) throw ended(capsule);
    try {
      return await http.json<WireCapsule>("POST", `${capsulePath(capsule.id)}/resume`, {
        signal,
        timeoutMs: LONG_CALL_MS,
      });
    } catch (error) {
      // Something else resumed or pauses it, or the answer is lost: its state says what is to be done.
      const isUnclear =
        error instanceof WrennError &&
        (error.code === "invalid_state" || (error.isRetryable && error.status === undefined));
      if (!isUnclear || attempt === RESUMES) throw error;
      await sleep(LOOK_MS.first * attempt, signal);
      capsule = await findCapsule(http, capsule.id, signal);
    }
  }
}

/** Waits until a capsule runs. @throws as {@link connectCapsule}, and for a paused one. */
export async function waitForCapsule(
  http: HttpClient,
  id: string,
  signal: AbortSignal | undefined,
): Promise<WireCapsule> {
  const capsule = await settled(http, await findCapsule(http, id, signal), signal);
  if (hasEnded(capsule)) throw ended(capsule);
  if (capsule.status !== "running")
    throw new WrennError({
      code: "invalid_state",
      reason: "capsule_not_running",
      message: `capsule ${id} is not running (status: ${capsule.status})`,
      remedy: "Resume it, or use Capsule.connect, which does.",
    });
  return capsule;
}

/** Whether the capsule has ended: it was destroyed or has failed, and never runs again. */
export function hasEnded({ status }: WireCapsule): boolean {
  return status === "stopped" || status === "error";
}

/**
 * The capsule once it is neither being started nor unreachable.
 *
 * @throws WrennError `host_unavailable` when its host does not answer for 30 s; of the requests; the signal's reason.
 */
async function settled(
  http: HttpClient,
  capsule: WireCapsule,
  signal: AbortSignal | undefined,
  onProgress?: CreateOptions["onProgress"],
): Promise<WireCapsule> {
  let seen = capsule;
  let missingSince: number | undefined;
  for (let waitMs = LOOK_MS.first; ; waitMs = Math.min(LOOK_MS.most, waitMs * 1.5)) {
    signal?.throwIfAborted();
    if (!["pending", "starting", "missing"].includes(seen.status)) return seen;
    const progress = progressOf(seen);
    if (progress) onProgress?.(progress);
    missingSince = seen.status === "missing" ? (missingSince ?? performance.now()) : undefined;
    if (missingSince !== undefined && performance.now() - missingSince >= HOST_PATIENCE_MS)
      throw new WrennError({
        code: "host_unavailable",
        message: `the host of capsule ${seen.id} does not answer`,
        remedy: "Try again in a moment.",
      });
    await sleep(waitMs, signal);
    seen = await findCapsule(http, seen.id, signal);
  }
}

/** Without the signal of the call, which may be why. Failures here are not reported: the caller has the first error. */
async function destroyUnwanted(http: HttpClient, id: string): Promise<void> {
  await destroyCapsule(http, id, AbortSignal.timeout(CLEAN_UP_MS)).catch(() => undefined);
}

/** {@link destroyUnwanted} for the capsule of a create that is not answered yet. What takes longer goes on in the background. */
async function destroyAnswered(http: HttpClient, creating: Promise<WireCapsule>): Promise<void> {
  const destroyed = creating.then(async ({ id }) => await destroyUnwanted(http, id));
  try {
    await orAborted(destroyed, AbortSignal.timeout(CLEAN_UP_MS));
  } catch {
    // It was refused, or is not answered in time.
  }
}

/** Destroys a capsule, whatever its state; one that is gone already is fine. */
export async function destroyCapsule(
  http: HttpClient,
  id: string,
  signal: AbortSignal | undefined,
): Promise<void> {
  await http.read(
    "DELETE",
    capsulePath(id),
    { signal, accept: [404] },
    async (answer) => await answer.text(),
  );
}

function startFailed({ id, problem = "it failed" }: WireCapsule): WrennError {
  return new WrennError({
    code: "agent_error",
    reason: "operation_failed",
    message: `creating capsule ${id} failed: ${problem}`,
    remedy: "Try again; the log of the capsule says what its host did.",
    details: { capsuleId: id },
  });
}

function ended({ id, status, problem }: WireCapsule): WrennError {
  return new WrennError({
    code: "invalid_state",
    reason: "capsule_ended",
    message: `capsule ${id} has ended (status: ${status})${problem === undefined ? "" : `: ${problem}`}`,
    remedy: "Create another one.",
  });
}
