import { setTimeout } from "node:timers/promises";
import type { Browser, Locator, Page } from "playwright-core";
import { newPageOf } from "./browser.ts";
import type { DashboardLab } from "./dashboard-lab.ts";
import { mainThreadTasks, TASK_CATEGORIES } from "./longest-task.ts";

/** As many as the list has. */
export const MANY_CAPSULES = 1000;
const PATIENCE_MS = 60_000;
const MARK = "wrenn-bench";
/** How often capsules change while the page shows them, and how many times. */
const EVERY_MS = 20;
const CHANGES = 200;
const WHEEL_PIXELS = 1500;

/**
 * Loads the list, searches in it, sorts it, scrolls through it and lets its capsules change.
 *
 * @returns the longest task of the page's main thread, in milliseconds.
 * @throws Error where the page does not show what it should: fast and wrong is no measurement.
 */
export async function useThousandCapsules(
  browser: Browser,
  { url, administrator, controlPlane }: DashboardLab,
  signal: AbortSignal,
): Promise<number> {
  const capsules = await controlPlane.json<readonly { id: string }[]>("GET", "/v1/capsules?limit=200");
  const page = await newPageOf(browser, url, administrator);
  await browser.startTracing(page, { categories: TASK_CATEGORIES });
  await page.goto(`${url}/capsules`);
  const list = page.getByRole("list", { name: "Capsules" });
  await untilCount(list, MANY_CAPSULES);
  await page.evaluate(`performance.mark(${JSON.stringify(MARK)})`);
  const search = page.getByLabel("Search capsules");
  await search.pressSequentially("status:running minimal", { delay: 30 });
  await untilCount(list, MANY_CAPSULES);
  await search.fill("");
  const order = page.getByLabel("Order");
  for (const key of ["name", "status", "oldest", "newest"]) await order.selectOption(key);
  await scrollThrough(page, list);
  const name = await changeNames(controlPlane, capsules, signal);
  await search.fill(name);
  await untilCount(list, 1);
  const trace = await browser.stopTracing();
  return mainThreadTasks(trace.toString("utf8"), MARK).longestMs;
}

/** Waits until the list has so many rows. @throws Error after {@link PATIENCE_MS}. */
async function untilCount(list: Locator, count: number): Promise<void> {
  const counted = list.locator(`[aria-setsize="${count}"]`).first();
  await counted.waitFor({ timeout: PATIENCE_MS });
}

const SCROLLED = `(({ scrollTop, scrollHeight, clientHeight }) => ({
  top: scrollTop,
  end: scrollHeight - clientHeight,
}))(document.querySelector("[role=list][aria-label=Capsules]"))`;

/** By the wheel, to the end and back. */
async function scrollThrough(page: Page, list: Locator): Promise<void> {
  await list.hover();
  for (const direction of [1, -1])
    for (;;) {
      const { top, end } = await page.evaluate<{ readonly top: number; readonly end: number }>(SCROLLED);
      if (direction === 1 ? top >= end - 1 : top <= 0) break;
      await page.mouse.wheel(0, direction * WHEEL_PIXELS);
    }
}

/** Changes names at a steady rate. @returns the last name. */
async function changeNames(
  controlPlane: DashboardLab["controlPlane"],
  capsules: readonly { readonly id: string }[],
  signal: AbortSignal,
): Promise<string> {
  const round = Date.now().toString(36);
  const changes: Promise<unknown>[] = [];
  let name = "";
  const start = performance.now();
  for (let n = 0; n < CHANGES; n++) {
    name = `changed-${round}-${n}`;
    const { id = "" } = capsules[n % capsules.length] ?? {};
    changes.push(controlPlane.json("PATCH", `/v1/capsules/${id}`, { name }));
    await setTimeout(Math.max(0, start + n * EVERY_MS - performance.now()), undefined, { signal });
  }
  await Promise.all(changes);
  return name;
}
