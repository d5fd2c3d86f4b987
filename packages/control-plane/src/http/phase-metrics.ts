import { phases } from "@wrenn/core";
import type { PhaseTimes } from "@wrenn/core";
import { Histogram } from "prom-client";

/** Seconds: from a message on one machine to the start of a machine. */
const BUCKETS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60];

/** Where the time of operations goes, for Prometheus; the series are as many as operations have phases. */
export class PhaseMetrics {
  readonly histogram = new Histogram({
    name: "wrenn_phase_seconds",
    help: "Time of the phases of operations that succeeded",
    labelNames: ["operation", "phase"],
    buckets: BUCKETS,
    registers: [],
  });

  observe(operation: string, times: PhaseTimes): void {
    for (const phase of phases) {
      const ms = times[phase];
      if (ms !== undefined) this.histogram.labels(operation, phase).observe(ms / 1000);
    }
  }
}
