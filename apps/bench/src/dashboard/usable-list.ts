import { setTimeout } from "node:timers/promises";
import type { Page } from "playwright-core";

/** After this long the sample fails. */
const PATIENCE_MS = 60_000;

/**
 * Runs in the page: waits for the list and the search field, focuses the field and asks for a key, and reports when the field has
 * it. Times of `performance.now()` count from the beginning of the navigation.
 */
const LOOK = `{
  const look = () => {
    const field = document.querySelector("input[type=search]");
    const row = document.querySelector("[role=list][aria-label=Capsules] a");
    if (!field || !row) return void requestAnimationFrame(look);
    field.addEventListener("input", () => benchReport(performance.now(), field.value), { once: true });
    field.focus();
    void benchPressKey();
  };
  look();
}`;

/**
 * Opens the list of capsules, and presses a key in its search field as soon as the list is shown.
 *
 * @param page - of a profile that is logged in.
 * @returns milliseconds from the beginning of the navigation until the key is in the field.
 */
export async function usableMs(page: Page, url: string): Promise<number> {
  const usable = Promise.withResolvers<number>();
  await page.exposeFunction("benchReport", (ms: number, text: string) => {
    if (text === "c") usable.resolve(ms);
    else usable.reject(new Error(`the search field has ${JSON.stringify(text)}`));
  });
  await page.exposeFunction("benchPressKey", async () => await page.keyboard.press("c"));
  await page.addInitScript(LOOK);
  await page.goto(url);
  return await Promise.race([
    usable.promise,
    setTimeout(PATIENCE_MS, undefined, { ref: false }).then(() =>
      Promise.reject(new Error(`the list of capsules is not usable after ${PATIENCE_MS} ms`)),
    ),
  ]);
}
