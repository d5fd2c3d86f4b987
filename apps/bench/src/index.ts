export { measure } from "./harness.ts";
export type { RowResult } from "./harness.ts";
export { machineFacts } from "./machine-facts.ts";
export type { MachineFacts } from "./machine-facts.ts";
export { renderReport } from "./report.ts";
export type { Target, BenchContext, Row, RunningRow } from "./row.ts";
export { rows } from "./rows/index.ts";
export { summarise } from "./statistics.ts";
export type { Summary } from "./statistics.ts";
