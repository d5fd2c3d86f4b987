import type { Page } from "playwright-core";
import type { PictureLook, Stage, Viewer } from "./stage.ts";
import type { VisitedPage } from "../support/browser.ts";
import type { Scene } from "./scenes.ts";

export type Device = "desktop" | "phone";
export type Theme = PictureLook["colorScheme"];

const SIZES: Readonly<Record<Device, PictureLook["viewport"]>> = {
  desktop: { width: 1280, height: 800 },
  phone: { width: 390, height: 844 },
};
/** A page that failed to draw has few: background, and perhaps a frame. */
const FEWEST_COLOURS = 24;

/** Whether something is wider than the page; what is meant to scroll has a scroll bar of its own. */
const OVERFLOW = `(() => {
  const wide = (element) => element.scrollWidth > element.clientWidth + 1;
  const found = [document.documentElement, document.querySelector("main")].find((element) => element && wide(element));
  if (!found) return "";
  const right = found.getBoundingClientRect().right;
  const out = [...found.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().right > right + 1).at(-1);
  return (out ?? found).outerHTML.slice(0, 160);
})()`;
const SETTLED = `document.fonts.ready.then(() => document.querySelector("[aria-busy=true]") === null)`;

/** A picture, and what is wrong with the page that it shows. */
export interface Picture {
  readonly png: Buffer;
  readonly faults: readonly string[];
}

/** Takes pictures of one theme and device; each viewer logs in once. */
export class Photographer implements AsyncDisposable {
  readonly #stage: Stage;
  readonly #look: PictureLook;
  readonly #visited = new Map<Viewer, VisitedPage>();

  constructor(stage: Stage, device: Device, theme: Theme) {
    this.#stage = stage;
    const isMobile = device === "phone";
    this.#look = {
      colorScheme: theme,
      viewport: SIZES[device],
      isMobile,
      hasTouch: isMobile,
      deviceScaleFactor: 1,
      locale: "en-GB",
      timezoneId: "UTC",
    };
  }

  /** @throws Error where the page does not come to show what the scene is of. */
  async take(scene: Scene): Promise<Picture> {
    const visited = await this.#visit(scene.viewer, scene.path(this.#stage));
    const { page } = visited;
    const before = visited.complaints.length;
    await page.goto(this.#stage.lab.server.url + scene.path(this.#stage));
    await scene.ready(page);
    await page.waitForFunction(SETTLED);
    const png = await page.screenshot({ animations: "disabled", caret: "hide" });
    const faults: string[] = visited.complaints.slice(before);
    const wide = await page.evaluate<string>(OVERFLOW);
    if (wide !== "") faults.push(`is wider than the screen: ${wide}`);
    const problems = await page.getByRole("alert").allInnerTexts();
    if (scene.hasProblem !== true) faults.push(...problems.map((text) => `shows an error: ${text}`));
    const colours = await this.#coloursOf(png);
    if (colours < FEWEST_COLOURS) faults.push(`has ${colours} colours only`);
    return { png, faults };
  }

  async #visit(viewer: Viewer, path: string): Promise<VisitedPage> {
    const known = this.#visited.get(viewer);
    if (known) return known;
    const visited = await this.#stage.visit(viewer, path, this.#look);
    this.#visited.set(viewer, visited);
    return visited;
  }

  async #coloursOf(png: Buffer): Promise<number> {
    const { page } = await this.#stage.lab.browser.visit("about:blank");
    try {
      return await countColours(page, png);
    } finally {
      await page.context().close();
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { page } of this.#visited.values()) await page.context().close();
  }
}

/** Counts the colours of a picture in a browser, which can read it. */
async function countColours(page: Page, png: Buffer): Promise<number> {
  return await page.evaluate<number>(`(async () => {
    const bytes = Uint8Array.from(atob("${png.toString("base64")}"), (one) => one.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const context = new OffscreenCanvas(image.width, image.height).getContext("2d");
    context.drawImage(image, 0, 0);
    const { data } = context.getImageData(0, 0, image.width, image.height);
    return new Set(new Uint32Array(data.buffer)).size;
  })()`);
}
