import { Counter } from "prom-client";

/** Copies of templates between hosts, for Prometheus. */
export class CopyMetrics {
  readonly copies = new Counter({
    name: "wrenn_template_copies_total",
    help: "Copies of templates to other hosts that have ended, by how they ended",
    labelNames: ["result"],
    registers: [],
  });
  readonly bytes = new Counter({
    name: "wrenn_template_copy_bytes_total",
    help: "Bytes of templates that were sent to other hosts, before they were compressed",
    registers: [],
  });
}
