import { existsSync } from "node:fs";
import type { Browser, Page } from "playwright-core";
import type { Administrator } from "./administrator.ts";

const PROGRAM = "/usr/bin/chromium-headless-shell";
const ARGUMENTS = [
  // Benches run as root, under which its sandbox does not start; it sees pages of the bench's own server only.
  "--no-sandbox",
  "--no-proxy-server",
  "--disable-dev-shm-usage",
  // Drawing by WebGL would be emulated on the processors that server and capsules use: terminals draw by elements instead.
  "--disable-gpu",
  "--disable-3d-apis",
];

/** Why rows of the dashboard cannot be measured here, or undefined. */
export function browserMissing(): string | undefined {
  return existsSync(PROGRAM) ? undefined : `${PROGRAM} is missing (Debian: chromium-headless-shell)`;
}

/**
 * Starts a browser for one sample, so that it disturbs no other row. Its start is not a part of what is measured.
 *
 * @throws AbortError's reason when `signal` aborts, which ends the browser.
 */
export async function withBrowser<T>(
  signal: AbortSignal,
  sample: (browser: Browser) => Promise<T>,
): Promise<T> {
  signal.throwIfAborted();
  const { chromium } = await import("playwright-core");
  const browser = await chromium.launch({ executablePath: PROGRAM, args: ARGUMENTS });
  const stop = (): void => void browser.close();
  signal.addEventListener("abort", stop, { once: true });
  try {
    return await sample(browser);
  } finally {
    signal.removeEventListener("abort", stop);
    await browser.close();
    signal.throwIfAborted();
  }
}

/** An empty page in a new profile: nothing is cached. */
export async function newPage(browser: Browser): Promise<Page> {
  const profile = await browser.newContext({ viewport: { width: 1280, height: 800 } });
  return await profile.newPage();
}

/** The same, logged in to a server: the profile has the cookie of the login, and nothing else. */
export async function newPageOf(
  browser: Browser,
  url: string,
  { email, password }: Administrator,
): Promise<Page> {
  const page = await newPage(browser);
  const answer = await page.context().request.post(`${url}/v1/auth/login`, { data: { email, password } });
  if (!answer.ok()) throw new Error(`the log-in answered ${answer.status()}: ${await answer.text()}`);
  return page;
}
