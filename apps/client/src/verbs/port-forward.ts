import { once } from "node:events";
import { isWrennError } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import type { ForwardedPort } from "../options/port.ts";
import { escapeText } from "../output/escape-text.ts";
import { PortForward } from "../streams/port-forward.ts";

export interface ForwardOptions {
  readonly address: string;
}

/** The same problem is not said again for this long, in milliseconds. */
const REPEATED_MS = 5000;

/** Leads local ports to ports of a capsule until interrupted, or until the capsule is gone. */
export async function forward(
  context: Context,
  reference: string,
  ports: readonly ForwardedPort[],
  { address }: ForwardOptions,
): Promise<void> {
  const { output } = context;
  const capsule = await context.capsule(reference);
  const ended = new AbortController();
  const signal = AbortSignal.any([context.signal, ended.signal]);
  const saidAt = new Map<string, number>();
  const onProblem = (error: unknown): void => {
    if (isWrennError(error, "not_found") || isWrennError(error, "unauthorized")) ended.abort(error);
    const message = error instanceof Error ? error.message : String(error);
    const now = performance.now();
    if (now - (saidAt.get(message) ?? Number.NEGATIVE_INFINITY) < REPEATED_MS || ended.signal.aborted) return;
    saidAt.set(message, now);
    output.note(`wrenn: ${escapeText(message)}`);
  };
  const started: PortForward[] = [];
  try {
    for (const port of ports)
      started.push(await PortForward.start({ capsule, port, address, onProblem, signal }));
    for (const [at, { port: local }] of started.entries()) {
      const { remote = local } = ports[at] ?? {};
      const place = { capsule: capsule.id, address, local, remote };
      output.item(place, () => `${hostOf(address)}:${local} -> port ${remote} of ${capsule.id}\n`);
    }
    if (!signal.aborted) await once(signal, "abort");
    throw signal.reason;
  } finally {
    for (const one of started) await one.close();
  }
}

function hostOf(address: string): string {
  return address.includes(":") ? `[${address}]` : address;
}
