import type { Browser, Page } from "playwright-core";
import { browserMissing, newPage, newPageOf, withBrowser } from "../dashboard/browser.ts";
import { withDashboardLab } from "../dashboard/dashboard-lab.ts";
import type { DashboardLab } from "../dashboard/dashboard-lab.ts";
import { TransferredScripts } from "../dashboard/transferred-scripts.ts";
import { MANY_CAPSULES, useThousandCapsules } from "../dashboard/thousand-capsules.ts";
import { usableMs } from "../dashboard/usable-list.ts";
import type { Row } from "../row.ts";

const FEW = 20;

/** A row of pages that need no machine; each sample has its own browser. */
function pageRow(
  facts: Omit<Row, "prepare" | "missing">,
  capsules: number,
  sample: (browser: Browser, lab: DashboardLab, signal: AbortSignal) => Promise<number>,
): Row {
  return {
    ...facts,
    missing: browserMissing,
    prepare: async ({ signal }) => {
      const { begun, dispose } = await withDashboardLab(
        signal,
        capsules,
        async (lab) => async () => await withBrowser(signal, (browser) => sample(browser, lab, signal)),
      );
      return { sample: begun, dispose };
    },
  };
}

/** From the log-in page to the list of capsules, which is as far as people come without a terminal. */
export const dashboardFirstLoad: Row = pageRow(
  {
    name: "dashboard: scripts until the list of capsules (gzip)",
    unit: "KiB",
    asked: { p50: 150, better: "lower" },
  },
  FEW,
  async (browser, { url, administrator }) => {
    const page = await newPage(browser);
    const scripts = await TransferredScripts.of(page);
    await page.goto(`${url}/login`);
    await page.getByLabel("Email").fill(administrator.email);
    await page.getByLabel("Password").fill(administrator.password);
    await page.getByRole("button", { name: "Log in" }).click();
    await rowsOf(page).first().waitFor();
    return await scripts.settled();
  },
);

/** From the beginning of the navigation until the list is shown and a key pressed is in the search field. */
export const dashboardInteractive: Row = pageRow(
  {
    name: "dashboard: list of capsules usable, nothing cached",
    unit: "ms",
    asked: { p50: 1000, better: "lower" },
  },
  FEW,
  async (browser, { url, administrator }) => {
    const page = await newPageOf(browser, url, administrator);
    return await usableMs(page, `${url}/capsules`);
  },
);

/** The longest time in which the page does not react, while someone uses a long list that changes. */
export const dashboardLongestTask: Row = pageRow(
  { name: "dashboard: longest task, 1000 capsules", unit: "ms", asked: { p50: 50, better: "lower" } },
  MANY_CAPSULES,
  async (browser, lab, signal) => await useThousandCapsules(browser, lab, signal),
);

const rowsOf = (page: Page) => page.getByRole("list", { name: "Capsules" }).getByRole("listitem");
