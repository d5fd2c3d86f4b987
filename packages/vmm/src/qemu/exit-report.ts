import { setTimeout as sleep } from "node:timers/promises";
import { readTail } from "./machine-file.ts";
import { isRecord } from "./qmp-message.ts";

const REPORT_LIMIT = 1024;
/** The supervisor writes the report within moments of the end. */
const ATTEMPTS = 50;
const STEP_MS = 2;

/** How a machine's process ended. */
export interface ExitReport {
  readonly code: number;
  /** 0 without one. */
  readonly signal: number;
}

/** The supervisor's report; undefined when it is missing or is not one that the supervisor writes. */
export async function readExitReport(path: string): Promise<ExitReport | undefined> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const report = parseReport(await readTail(path, REPORT_LIMIT));
    if (report) return report;
    await sleep(STEP_MS);
  }
  return undefined;
}

function parseReport(text: string): ExitReport | undefined {
  try {
    const report: unknown = JSON.parse(text);
    if (!isRecord(report)) return undefined;
    const { code, signal } = report;
    return isSmall(code) && isSmall(signal) ? { code, signal } : undefined;
  } catch {
    return undefined;
  }
}

/** Exit codes are -1 where a signal ended the process. */
function isSmall(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= -1 && value <= 255;
}
