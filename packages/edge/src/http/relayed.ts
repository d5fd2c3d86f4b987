import type { EdgeRequest } from "./messages.ts";

const relayed = new WeakSet<object>();

/**
 * Records that a request was admitted to a capsule: what it sends and reads goes at the pace of a program there, and it has the time limits of
 * traffic for ports instead of those of the platform's own API.
 */
export function noteRelayed(request: EdgeRequest): void {
  relayed.add(request);
}

export function isRelayed(request: EdgeRequest): boolean {
  return relayed.has(request);
}
