import { summarise } from "./statistics.ts";

/** Where the time of one kind of request went: the median of each phase, in milliseconds. */
export interface RequestPhases {
  /** `create`, `exec`, … */
  readonly request: string;
  readonly phases: Readonly<Record<string, number>>;
}

const METRIC = /^\s*([\w-]+)\s*;\s*dur=(\d+(?:\.\d+)?)\s*$/;

/** Collects what answers say in `Server-Timing` (docs/reference/server-timing.md). */
export class PhaseCollector {
  readonly #samples = new Map<string, Map<string, number[]>>();
  /** Answers are recorded from now on. */
  isOpen = false;

  /** @param path - of the request. */
  add(path: string, header: string | null): void {
    if (!this.isOpen || header === null) return;
    const last = path.split("/").at(-1) ?? "";
    const request = last === "capsules" ? "create" : last;
    for (const entry of header.split(",")) {
      const [, phase, ms] = METRIC.exec(entry) ?? [];
      if (phase === undefined) continue;
      const phases = this.#samples.get(request) ?? new Map<string, number[]>();
      this.#samples.set(request, phases.set(phase, [...(phases.get(phase) ?? []), Number(ms)]));
    }
  }

  /** By request, in the order in which they came. */
  summary(): readonly RequestPhases[] {
    return [...this.#samples].map(([request, phases]) => ({
      request,
      phases: Object.fromEntries([...phases].map(([phase, samples]) => [phase, summarise(samples).p50])),
    }));
  }
}
