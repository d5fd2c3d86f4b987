import { PhaseLog, phases, totalOf } from "@wrenn/core";
import type { Clock, PhaseTimes } from "@wrenn/core";
import type { App } from "./app.ts";
import { runWithPhases } from "./current-phases.ts";
import type { PhaseMetrics } from "./phase-metrics.ts";

declare module "fastify" {
  interface FastifyContextConfig {
    /** Its answers say in `Server-Timing` where the time went. What is no operation of a host is observed under this name. */
    timing?: { readonly observedAs?: string };
  }
}

export interface ServerTimingDeps {
  readonly clock: Clock;
  readonly phaseMetrics: PhaseMetrics;
}

/** Answers of timed routes of the group say where their time went (docs/reference/server-timing.md). */
export function writeServerTiming(group: App, { clock, phaseMetrics }: ServerTimingDeps): void {
  const logs = new WeakMap<object, PhaseLog>();
  group.addHook("onRequest", (request, _reply, done) => {
    if (request.routeOptions.config.timing === undefined) {
      done();
      return;
    }
    const log = new PhaseLog(clock);
    logs.set(request, log);
    runWithPhases(log, done);
  });
  group.addHook("onSend", async (request, reply) => {
    const log = logs.get(request);
    if (!log) return;
    const times = log.times();
    reply.header("server-timing", serverTiming(times, reply.elapsedTime));
    const observedAs = request.routeOptions.config.timing?.observedAs;
    if (observedAs !== undefined && reply.statusCode < 400) phaseMetrics.observe(observedAs, times);
  });
}

/**
 * The value of `Server-Timing` (https://www.w3.org/TR/server-timing/): the phases, `other` for the rest, and their `total`.
 *
 * @param totalMs - from the arrival of the request.
 */
export function serverTiming(times: PhaseTimes, totalMs: number): string {
  const other = Math.max(0, totalMs - totalOf(times));
  const named = phases.flatMap((phase) => metric(phase, times[phase]));
  return [...named, ...metric("other", other), ...metric("total", totalMs)].join(", ");
}

/** Microseconds are noise; a phase that took less than 50 of them is shown as none. */
function metric(name: string, ms: number | undefined): string[] {
  return ms === undefined ? [] : [`${name};dur=${Number(ms.toFixed(1))}`];
}
