import { setTimeout as sleep } from "node:timers/promises";
import type { ApiClient } from "./api-client.ts";

interface MadeCapsule {
  readonly id: string;
  readonly status: string;
}

const POLL_MS = 200;

/**
 * Creates a capsule and waits until it is made, however long that takes: the first of its size on a host is booted. One that
 * failed meanwhile says so when it is used.
 *
 * @throws ApiError when it is refused.
 */
export async function createCapsule(
  api: ApiClient,
  request: Readonly<Record<string, unknown>>,
  signal: AbortSignal,
): Promise<MadeCapsule> {
  let capsule = await api.request<MadeCapsule>("POST", "/v1/capsules", request, signal);
  while (capsule.status === "pending" || capsule.status === "starting") {
    await sleep(POLL_MS, undefined, { signal });
    capsule = await api.request<MadeCapsule>("GET", `/v1/capsules/${capsule.id}`, undefined, signal);
  }
  return capsule;
}
