import { existsSync } from "node:fs";
import { eventually } from "@wrenn/core/testing";
import { chromium } from "playwright-core";
import type { Browser, BrowserContextOptions, ConsoleMessage, Page } from "playwright-core";

const PROGRAM = "/usr/bin/chromium-headless-shell";

/** Why tests cannot use a browser, or false: the launcher installs it where the distribution has it. */
export const noBrowser = existsSync(PROGRAM)
  ? false
  : "this distribution has no package chromium-headless-shell";

const PATIENCE_MS = 20_000;

/** What a page of ours must never do. */
const COMPLAINTS = /Content[- ]Security[- ]Policy|Refused to|TrustedHTML|Uncaught/i;

/** How people call what has the focus. */
const NAME_OF_FOCUS = `(document.activeElement.getAttribute("aria-label") ??
  document.activeElement.labels?.[0]?.textContent ?? document.activeElement.textContent ?? "").trim()`;

export interface TestBrowserOptions {
  readonly drawsByWebgl?: boolean;
  readonly localNames?: readonly string[];
  readonly more?: readonly string[];
}

/** How often a page is asked for again. */
const ATTEMPTS = 5;

/**
 * What a browser says when an interface of the machine came or went: of the page, and of the next one while it still shows the error, or
 * loads the same page again by itself.
 */
const GAVE_UP =
  /ERR_NETWORK_CHANGED|interrupted by another navigation to "chrome-error:|Navigation to "([^"]+)" is interrupted by another navigation to "\1"/;

/** Browsers give a page up when an interface comes or goes, as one does with every capsule: it is asked for again. */
function askAgain(page: Page): void {
  const goTo = page.goto.bind(page);
  page.goto = async (url, options) => {
    for (let left = ATTEMPTS; ; left--)
      try {
        return await goTo(url, options);
      } catch (error) {
        if (left === 1 || !GAVE_UP.test(String(error))) throw error;
      }
  };
}

/** A browser whose pages complain of nothing: what they report is collected, and looked at by {@link VisitedPage.complaints}. */
export class TestBrowser implements AsyncDisposable {
  readonly #browser: Browser;

  private constructor(browser: Browser) {
    this.#browser = browser;
  }

  /**
   * @param drawsByWebgl - in software; without it, terminals are elements whose text can be read.
   * @param localNames - names, and all below them, that lead to this machine.
   * @param more - arguments of this browser, in addition to those of all.
   */
  static async start({
    drawsByWebgl = false,
    localNames = [],
    more = [],
  }: TestBrowserOptions = {}): Promise<TestBrowser> {
    const browser = await chromium.launch({
      executablePath: PROGRAM,
      // The tests run as root, under which its sandbox does not start; it sees pages of the test's own server only.
      args: [
        "--no-sandbox",
        "--no-proxy-server",
        "--disable-dev-shm-usage",
        `--host-resolver-rules=${localNames.map((name) => `MAP ${name} 127.0.0.1, MAP *.${name} 127.0.0.1`).join(", ")}`,
        ...(drawsByWebgl ? ["--enable-unsafe-swiftshader"] : ["--disable-gpu", "--disable-3d-apis"]),
        ...more,
      ],
    });
    return new TestBrowser(browser);
  }

  /** A page in a profile of its own. */
  async visit(url: string, options: BrowserContextOptions = {}): Promise<VisitedPage> {
    const profile = await this.#browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
    // What is not there by then does not come; the test says what it waited for.
    profile.setDefaultTimeout(PATIENCE_MS);
    profile.on("page", askAgain);
    const visited = new VisitedPage(await profile.newPage());
    await visited.page.goto(url);
    return visited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#browser.close();
  }
}

/** A page, and what it complained of. */
export class VisitedPage {
  readonly page: Page;
  readonly #complaints: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on("console", (message: ConsoleMessage) => {
      const text = message.text();
      if (message.type() === "error" && COMPLAINTS.test(text)) this.#complaints.push(text);
    });
    page.on("pageerror", (error) => this.#complaints.push(String(error)));
  }

  /** Violations of the policy and errors of scripts, so far. */
  get complaints(): readonly string[] {
    return this.#complaints;
  }

  /** Another page of the same profile. */
  async open(url: string): Promise<VisitedPage> {
    const visited = new VisitedPage(await this.page.context().newPage());
    await visited.page.goto(url);
    return visited;
  }

  /** The value of a JavaScript expression in the page, awaited. @throws Error with the page's own exception. */
  async evaluate<T = unknown>(expression: string): Promise<T> {
    return await this.page.evaluate<T>(expression);
  }

  /** Waits until an expression has a value, also over navigations; reports its last value otherwise. */
  async until(expression: string, wanted: string | number | boolean, seconds = 30): Promise<void> {
    let value: unknown;
    await eventually(
      `${expression} is ${JSON.stringify(wanted)}`,
      async () => (value = await this.evaluate(expression).catch(String)) === wanted,
      { timeoutMs: seconds * 1000, intervalMs: 50, details: () => value },
    );
  }

  /** Presses Tab until what has the focus is called so. @throws Error after so many presses. */
  async tabTo(name: string | RegExp, presses = 40): Promise<void> {
    for (let left = presses; left > 0; left--) {
      await this.page.keyboard.press("Tab");
      const has = await this.page.evaluate<string>(NAME_OF_FOCUS);
      if (typeof name === "string" ? has === name : name.test(has)) return;
    }
    throw new Error(`the Tab key does not lead to ${String(name)}`);
  }
}
