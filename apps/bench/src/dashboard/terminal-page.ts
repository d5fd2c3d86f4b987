import { setTimeout } from "node:timers/promises";
import type { Browser, CDPSession, Page } from "playwright-core";
import type { Administrator } from "./administrator.ts";
import { newPageOf } from "./browser.ts";

/** Of a shell. */
const PROMPT = /[#$]/;
/** How long nothing may change on the screen before it counts as idle. */
const IDLE_MS = 500;
/** After this long without what is waited for, the sample fails. */
const PATIENCE_MS = 60_000;

/**
 * Runs in the page. `benchWatch(text)` measures from the next key that is pressed to the frame that shows the text; `benchPainted` has the time.
 *
 * - The beginning is the time stamp of the key's event: when the browser got it.
 * - The terminal writes its rows in the frame's animation callback. A message posted when they have changed is delivered after the
 *   same frame was laid out and painted: that is the end.
 */
const WATCH = `{
  const rows = document.querySelector(".xterm-rows");
  window.benchWatch = (text, patienceMs) => void (window.benchPainted = new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(text + " does not appear among: " + rows.textContent)), patienceMs);
    let pressedAt;
    addEventListener("keydown", ({ timeStamp }) => (pressedAt = timeStamp), { once: true, capture: true });
    const observer = new MutationObserver(() => {
      if (pressedAt === undefined || !rows.textContent.includes(text)) return;
      observer.disconnect();
      clearTimeout(timer);
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => resolve(performance.now() - pressedAt);
      port2.postMessage(0);
    });
    observer.observe(rows, { subtree: true, childList: true, characterData: true });
  }));
  // An expression whose value is a function would be called.
  undefined;
}`;

/** A terminal of a capsule in the dashboard, drawn by elements. */
export class TerminalPage {
  readonly #page: Page;
  readonly #session: CDPSession;

  private constructor(page: Page, session: CDPSession) {
    this.#page = page;
    this.#session = session;
  }

  /** Opens the page of a capsule, and waits for the prompt of its shell. */
  static async open(
    browser: Browser,
    url: string,
    administrator: Administrator,
    capsule: string,
  ): Promise<TerminalPage> {
    const page = await newPageOf(browser, url, administrator);
    await page.goto(`${url}/capsules/${capsule}`);
    try {
      await page.locator(".xterm-rows").getByText(PROMPT).first().waitFor({ timeout: PATIENCE_MS });
    } catch (error) {
      throw new Error(`no prompt; the page shows: ${await page.locator("body").innerText()}`, {
        cause: error,
      });
    }
    const opened = new TerminalPage(page, await page.context().newCDPSession(page));
    await opened.idle();
    await page.locator(".xterm-helper-textarea").focus();
    await page.evaluate(WATCH);
    return opened;
  }

  /** Types without measuring. */
  async type(text: string): Promise<void> {
    await this.#page.keyboard.type(text);
    await this.#page.locator(".xterm-rows").getByText(text).first().waitFor();
  }

  /**
   * Presses a key.
   *
   * @returns milliseconds until `text` is painted.
   * @throws Error where it is on the screen already, or does not appear within {@link PATIENCE_MS}.
   */
  async painted(key: TerminalKey, text: string): Promise<number> {
    if ((await this.text()).includes(text)) throw new Error(`the terminal shows ${text} already`);
    await this.#page.evaluate(`benchWatch(${JSON.stringify(text)}, ${PATIENCE_MS})`);
    await this.#session.send("Input.dispatchKeyEvent", { type: "keyDown", ...key });
    await this.#session.send("Input.dispatchKeyEvent", { type: "keyUp", ...key });
    return await this.#page.evaluate<number>("benchPainted");
  }

  /** Ends the shell: the next page of the capsule gets a new one. */
  async end(): Promise<void> {
    await this.#page.keyboard.press("Control+u");
    await this.type("exit");
    await this.#page.keyboard.press("Enter");
    await this.#page.getByText("The program has ended").waitFor();
  }

  /** What is on the screen. */
  async text(): Promise<string> {
    return await this.#page.evaluate<string>(`document.querySelector(".xterm-rows").textContent`);
  }

  /** Waits until the screen stays as it is. */
  async idle(): Promise<void> {
    for (let before = ""; ;) {
      const now = await this.text();
      if (now === before) return;
      before = now;
      await setTimeout(IDLE_MS);
    }
  }
}

/** A key as the DevTools protocol has it. */
export interface TerminalKey {
  readonly key: string;
  readonly code: string;
  /** Absent for a key that types nothing by itself. */
  readonly text?: string;
  readonly modifiers?: number;
  readonly windowsVirtualKeyCode: number;
}
