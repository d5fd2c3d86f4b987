/* Drawn: apps/dashboard/test shows its parts. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { after, before, test } from "node:test";
import type { TestContext } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { BrowserContextOptions, Page } from "playwright-core";
import { noBrowser } from "../support/browser.ts";
import type { VisitedPage } from "../support/browser.ts";
import {
  CLIPBOARD,
  clipboardOf,
  DashboardLab,
  setClipboard,
  terminalShows,
} from "../support/dashboard-lab.ts";
import { InputRecorder } from "../support/input-recorder.ts";

/* What reaches a program in a terminal of the dashboard: replays, pastes, keys, compositions. */

const skip = noBrowser;
const PROMPT = /[#$] /;

let lab: DashboardLab;
before(async () => {
  if (skip === false) lab = await DashboardLab.open();
});
after(() => lab?.[Symbol.asyncDispose]());

/** A program that keeps what it is sent, in the terminal of a new capsule's page. */
async function record(
  t: TestContext,
  options: BrowserContextOptions = {},
): Promise<{ readonly visited: VisitedPage; readonly page: Page; readonly recorder: InputRecorder }> {
  const id = await lab.server.capsule(t);
  const visited = await lab.visit(`/capsules/${id}`, options);
  t.after(() => visited.page.context().close());
  await terminalShows(visited, PROMPT);
  return { visited, page: visited.page, recorder: await InputRecorder.start(lab.server, id, visited) };
}

/** Makes a page believe that it is on another system. */
async function onSystem({ page }: VisitedPage, platform: string): Promise<void> {
  await page.addInitScript(
    (name) => Object.defineProperty(Navigator.prototype, "platform", { get: () => name }),
    platform,
  );
  await page.reload();
}

/** Questions to a terminal, and reports that it makes by itself once they are asked for. */
const QUESTIONS = [
  "\u001b[c",
  "\u001b[>c",
  "\u001b[5n",
  "\u001b[6n",
  "\u001b[?6n",
  "\u001b[4$p",
  "\u001b[?1$p",
  "\u001bP$qm\u001b\\",
  "\u001b[>q",
  "\u001b[18t",
  "\u001b]4;1;?\u0007",
  "\u001b]10;?\u0007",
  "\u001b]11;?\u0007",
  "\u001b]12;?\u0007",
  "\u001b]52;c;?\u0007",
  "\u001b[?1004h",
].join("");

test(
  "after a reload nothing is sent that nobody typed, and what is typed during the replay arrives",
  { skip },
  async (t) => {
    const { visited, page, recorder } = await record(t);
    await recorder.print(`${QUESTIONS}first-end`);
    await terminalShows(visited, /first-end/);
    await eventually("answers arrive: the questions are some", async () =>
      (await recorder.received()).includes("\u001b[I"),
    );
    const answers = (await recorder.received()).toString();
    assert.ok(answers.startsWith("\u001b[?1;2c"));
    assert.doesNotMatch(answers, /\]52/, "the clipboard is not read");
    // A replay that takes a while.
    const lines = Array.from({ length: 100 }, (_, at) => `line ${at} ${"x".repeat(70)}\r\n`).join("");
    for (let part = 0; part < 4; part++) await recorder.print(lines.repeat(10));
    await recorder.print(`${QUESTIONS}second-end`);
    await terminalShows(visited, /second-end/);
    await recorder.forget();

    await page.reload();
    await page.locator(".xterm-helper-textarea:focus").waitFor({ state: "attached" });
    await page.keyboard.type("typed-during");
    await terminalShows(visited, /second-end/);
    await recorder.gets("typed-during");
    // The replay is over: what is asked now is answered, after everything that came before.
    await recorder.print("\u001b[1;1H\u001b[6n");
    await recorder.gets("typed-during\u001b[1;1R");
    await recorder.end();
    assert.deepEqual(visited.complaints, []);
  },
);

test("1 MiB pasted arrives once, whole and in order; only line ends change", { skip }, async (t) => {
  const { visited, page, recorder } = await record(t, CLIPBOARD);
  const lines: string[] = [];
  for (let length = 0; length < 1 << 20;) {
    const line = `${lines.length}\t"ä 漢 \u{1F600}" \\${lines.length % 3 === 0 ? "\r\n" : "\n"}`;
    lines.push(line);
    length += Buffer.byteLength(line);
  }
  const text = lines.join("");
  await setClipboard(visited, text);
  await page.keyboard.press("Control+Shift+V");
  const expected = Buffer.from(text.replaceAll(/\r?\n/g, "\r"));
  await eventually("all of it arrives", async () => (await recorder.size()) >= expected.length, {
    timeoutMs: 60_000,
    details: () => `${expected.length} bytes are expected`,
  });
  await page.keyboard.press("End");
  await eventually("a key behind it does", async () => (await recorder.size()) > expected.length);
  const hash = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
  assert.equal(hash(await recorder.received()), hash(Buffer.concat([expected, Buffer.from("\u001b[F")])));
  assert.equal(await page.locator(".xterm-helper-textarea").inputValue(), "", "no field keeps it");

  await recorder.forget();
  await recorder.print("\u001b[?2004hbrackets-on");
  await terminalShows(visited, /brackets-on/);
  // A text that ends its own brackets would be run as if it were typed.
  await setClipboard(visited, "one\n\u001b[20\u001b[201~1~two\u009b201~\r\nthree");
  await page.keyboard.press("Shift+Insert");
  await recorder.gets("\u001b[200~one\rtwo\rthree\u001b[201~");
  await recorder.end();
  assert.deepEqual(visited.complaints, []);
});

test(
  "copy and paste have the keys of each system; the menu sends keys that the browser keeps",
  { skip },
  async (t) => {
    const { visited, page, recorder } = await record(t, CLIPBOARD);
    await recorder.print("\u001b[2J\u001b[Hselected-word\r\n");
    await terminalShows(visited, /selected-word/);
    const select = async (): Promise<void> =>
      await page.locator(".xterm-screen").dblclick({ position: { x: 20, y: 8 } });

    await setClipboard(visited, "kept");
    await page.keyboard.press("Control+Shift+C");
    assert.equal(await clipboardOf(visited), "kept", "nothing is selected: the clipboard stays as it is");
    await select();
    for (const key of ["Control+Shift+C", "Control+Insert"]) {
      await setClipboard(visited, "before");
      await page.keyboard.press(key);
      await eventually(`${key} copies`, async () => (await clipboardOf(visited)) === "selected-word");
    }
    await page.keyboard.press("Control+C");
    await page.keyboard.press("Control+V");
    await setClipboard(visited, "-pasted-");
    await page.keyboard.press("Control+Shift+V");
    await page.keyboard.press("Shift+Insert");
    await recorder.gets("\u0003\u0016-pasted--pasted-");

    await recorder.forget();
    await page.getByRole("button", { name: "Send a key that the browser keeps" }).click();
    await page.getByRole("menuitem", { name: "Ctrl-W" }).click();
    await page.getByRole("menuitem").first().waitFor({ state: "detached" });
    await page.keyboard.type("and-on");
    await recorder.gets("\u0017and-on");

    await recorder.forget();
    await onSystem(visited, "Win32");
    await terminalShows(visited, /selected-word/);
    await select();
    await page.keyboard.press("Control+C");
    await eventually("Ctrl-C copies", async () => (await clipboardOf(visited)) === "selected-word");
    await page.keyboard.press("Control+C");
    await page.keyboard.press("Control+V");
    await recorder.gets("\u0003selected-word");
    await page.getByRole("button", { name: "Send a key that the browser keeps" }).click();
    await page.getByRole("menuitem", { name: "Ctrl-V" }).click();
    await recorder.gets("\u0003selected-word\u0016");

    await recorder.forget();
    await onSystem(visited, "MacIntel");
    await terminalShows(visited, /selected-word/);
    await select();
    await setClipboard(visited, "before");
    await page.keyboard.press("Meta+C");
    await eventually("Cmd-C copies", async () => (await clipboardOf(visited)) === "selected-word");
    await page.keyboard.press("Control+C");
    // What a Mac does with the key where a page leaves it alone.
    const devtools = await page.context().newCDPSession(page);
    const key = { key: "v", code: "KeyV", windowsVirtualKeyCode: 86, modifiers: 4 };
    await devtools.send("Input.dispatchKeyEvent", { ...key, type: "rawKeyDown", commands: ["paste"] });
    await devtools.send("Input.dispatchKeyEvent", { ...key, type: "keyUp" });
    await recorder.gets("\u0003selected-word");
    await recorder.end();
    assert.deepEqual(visited.complaints, []);
  },
);

test("what input methods compose arrives once, also while the program prints", { skip }, async (t) => {
  const { visited, page, recorder } = await record(t);
  const devtools = await page.context().newCDPSession(page);
  const processed = { key: "Process", code: "KeyA", windowsVirtualKeyCode: 229 };
  /** The stages of a composition, each with the key that leads to it, and its end. */
  const compose = async (stages: readonly string[], end: string): Promise<void> => {
    for (const text of stages) {
      await devtools.send("Input.dispatchKeyEvent", { ...processed, type: "rawKeyDown" });
      await devtools.send("Input.imeSetComposition", {
        text,
        selectionStart: text.length,
        selectionEnd: text.length,
      });
      await devtools.send("Input.dispatchKeyEvent", { ...processed, type: "keyUp" });
    }
    await devtools.send("Input.insertText", { text: end });
  };
  const all = async (): Promise<void> => {
    // Two syllables: the second one begins with what ends the first one.
    await compose(["ㅎ", "하", "한"], "한");
    await compose(["ㄱ", "그", "글"], "글");
    await page.keyboard.type("aB");
    await compose(["ｋ", "か", "かｎ", "かな"], "仮名");
    await compose(["p", "pi", "pin", "pin y", "pin yin"], "拼音");
    await page.keyboard.press("Enter");
    await compose(["´"], "é");
    await compose(["^"], "ô");
    // A dead key where the system composes by itself.
    await devtools.send("Input.dispatchKeyEvent", {
      type: "rawKeyDown",
      key: "Dead",
      code: "Quote",
      windowsVirtualKeyCode: 222,
    });
    await devtools.send("Input.dispatchKeyEvent", {
      type: "keyDown",
      key: "é",
      code: "KeyE",
      windowsVirtualKeyCode: 69,
      text: "é",
    });
    // An emoji picker, without a key.
    await devtools.send("Input.insertText", { text: "\u{1F600}" });
    await page.keyboard.type("z");
  };
  const expected = "한글aB仮名拼音\réôé\u{1F600}z";
  await all();
  await recorder.gets(expected);
  await recorder.forget();
  const printed = "output-of-the-program ".repeat(2000);
  await Promise.all([
    all(),
    (async () => {
      for (let times = 0; times < 5; times++) await recorder.print(`${printed}\r\n`);
    })(),
  ]);
  await recorder.gets(expected);
  await recorder.end();
  assert.deepEqual(visited.complaints, []);
});

test("a phone has a bar of the keys it lacks, and does not correct what is typed", { skip }, async (t) => {
  const { visited, page, recorder } = await record(t, {
    viewport: { width: 390, height: 780 },
    hasTouch: true,
    isMobile: true,
  });
  const bar = page.getByRole("toolbar", { name: "Keys" });
  const tap = async (name: string): Promise<void> =>
    await bar.getByRole("button", { name, exact: true }).tap();
  for (const name of ["Esc", "Tab", "Left", "Down", "Up", "Right", "|"]) await tap(name);
  await tap("Ctrl");
  await page.keyboard.insertText("c");
  await page.keyboard.insertText("c");
  await recorder.gets("\u001b\t\u001b[D\u001b[B\u001b[A\u001b[C|\u0003c");
  await recorder.forget();
  await recorder.print("\u001b[?1happlication-keys");
  await terminalShows(visited, /application-keys/);
  await tap("Up");
  await recorder.gets("\u001bOA");
  const field = page.locator(".xterm-helper-textarea");
  for (const [name, value] of [
    ["autocorrect", "off"],
    ["autocapitalize", "off"],
    ["spellcheck", "false"],
  ] as const)
    assert.equal(await field.getAttribute(name), value, name);
  const width = await page.evaluate<number>("document.documentElement.scrollWidth");
  assert.ok(width <= 390, `the page is ${width} px wide`);
  await recorder.end();
  assert.deepEqual(visited.complaints, []);
});
