import type { MetricsRange } from "@wrenn/sdk";

const MINUTE_MS = 60_000;

/** The ranges of metrics, in milliseconds. */
export const rangesMs: Readonly<Record<MetricsRange, number>> = {
  "5m": 5 * MINUTE_MS,
  "10m": 10 * MINUTE_MS,
  "1h": 60 * MINUTE_MS,
  "2h": 120 * MINUTE_MS,
  "6h": 360 * MINUTE_MS,
  "12h": 720 * MINUTE_MS,
  "24h": 1440 * MINUTE_MS,
};

/** How people call them. */
export const rangeNames: Readonly<Record<MetricsRange, string>> = {
  "5m": "5 minutes",
  "10m": "10 minutes",
  "1h": "hour",
  "2h": "2 hours",
  "6h": "6 hours",
  "12h": "12 hours",
  "24h": "24 hours",
};
