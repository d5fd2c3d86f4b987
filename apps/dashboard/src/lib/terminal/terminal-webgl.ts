import { WebglAddon } from "@xterm/addon-webgl";
import type { Terminal } from "@xterm/xterm";

/**
 * Drawing by WebGL while a terminal is shown. Browsers have few contexts and take the oldest away where there are too many, so a hidden
 * terminal gives its own back; after a lost one elements draw for good.
 */
export class TerminalWebgl {
  readonly #terminal: Terminal;
  #addon: WebglAddon | undefined;
  #isUsable = true;

  constructor(terminal: Terminal) {
    this.#terminal = terminal;
  }

  start(): void {
    if (this.#addon || !this.#isUsable) return;
    try {
      const addon = new WebglAddon();
      addon.onContextLoss(() => {
        this.#isUsable = false;
        this.stop();
        this.#terminal.refresh(0, this.#terminal.rows - 1);
      });
      this.#terminal.loadAddon(addon);
      this.#addon = addon;
    } catch {
      this.#isUsable = false;
    }
  }

  stop(): void {
    if (!this.#addon) return;
    const canvases = this.#terminal.element?.querySelectorAll("canvas") ?? [];
    const contexts = [...canvases].map((canvas) => canvas.getContext("webgl2"));
    this.#addon.dispose();
    this.#addon = undefined;
    // Otherwise the context stays until the next garbage collection.
    for (const context of contexts) context?.getExtension("WEBGL_lose_context")?.loseContext();
  }
}
