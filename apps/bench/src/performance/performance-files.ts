import { readFile, writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { renderPerformancePage } from "./performance-page.ts";
import { serialisePerformance } from "./stored-performance.ts";
import type { StoredPerformance } from "./stored-performance.ts";

const PAGE = fileURLToPath(new URL("../../../../docs/reference/performance.md", import.meta.url));
const STORED = fileURLToPath(new URL("../../../../docs/reference/performance-run.json", import.meta.url));

export async function readPerformancePage(): Promise<string> {
  return await readFile(PAGE, "utf8");
}

export async function readStoredPerformance(): Promise<StoredPerformance> {
  return JSON.parse(await readFile(STORED, "utf8")) as StoredPerformance;
}

/** Writes what the page is generated from, without the page. */
export async function writeStoredPerformance(performance: StoredPerformance): Promise<void> {
  await writeFile(STORED, serialisePerformance(performance));
}

/** Writes the page from what is stored. */
export async function writePerformancePage(): Promise<void> {
  await writeFile(PAGE, renderPerformancePage(await readStoredPerformance()));
}
