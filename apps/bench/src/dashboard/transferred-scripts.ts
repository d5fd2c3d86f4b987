import { Bell } from "@wrenn/core";
import type { CDPSession, Page } from "playwright-core";

/** Counts the bytes of scripts that a page loads, as the network carries them: compressed, with the heads of the answers. */
export class TransferredScripts {
  #bytes = 0;
  #count = 0;
  readonly #finished = new Bell();
  /** Scripts that are on their way, by request. */
  readonly #loading = new Set<string>();

  private constructor(session: CDPSession) {
    session.on("Network.requestWillBeSent", ({ requestId, request }) => {
      if (new URL(request.url).pathname.endsWith(".js")) this.#loading.add(requestId);
    });
    session.on("Network.loadingFinished", ({ requestId, encodedDataLength }) => {
      if (!this.#loading.delete(requestId)) return;
      this.#bytes += encodedDataLength;
      this.#count += 1;
      this.#finished.ring();
    });
  }

  /** Begins to count. */
  static async of(page: Page): Promise<TransferredScripts> {
    const session = await page.context().newCDPSession(page);
    const scripts = new TransferredScripts(session);
    await session.send("Network.enable");
    return scripts;
  }

  /** Waits for those that are on their way. @returns KiB of all. @throws Error where there was none. */
  async settled(): Promise<number> {
    while (this.#loading.size > 0) await this.#finished.next;
    if (this.#count === 0) throw new Error("the page loaded no script");
    return this.#bytes / 1024;
  }
}
