/* Drawn: apps/dashboard/test shows its parts. */
import assert from "node:assert/strict";
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
  terminalText,
} from "../support/dashboard-lab.ts";
import { InputRecorder } from "../support/input-recorder.ts";

/* What the viewers of a terminal see: of its size, after a reload, of what programs offer, and after a time without a network. */

const skip = noBrowser;
const PROMPT = /[#$] /;
const LONG = process.env["WRENN_TEST_LONG"] === "1";

let lab: DashboardLab;
before(async () => {
  if (skip === false) lab = await DashboardLab.open();
});
after(() => lab?.[Symbol.asyncDispose]());

interface Viewer {
  readonly visited: VisitedPage;
  readonly page: Page;
}

async function view(t: TestContext, id: string, options: BrowserContextOptions = {}): Promise<Viewer> {
  const visited = await lab.visit(`/capsules/${id}`, options);
  t.after(() => visited.page.context().close());
  await terminalShows(visited, PROMPT);
  return { visited, page: visited.page };
}

/** The size that programs in a terminal are told, as `rows columns`. */
async function sizeOf(id: string, terminal: string): Promise<string> {
  return (await lab.server.shell(id, `stty size -F /dev/pts/${terminal}`)).stdout.trim();
}

async function sizeBecomes(id: string, terminal: string, holds: (size: string) => boolean): Promise<string> {
  let last = "";
  await eventually("the size changes", async () => holds((last = await sizeOf(id, terminal))), {
    timeoutMs: 15_000,
    details: () => last,
  });
  return last;
}

/** The size, once it stays the same: a window is not resized in one step. */
async function settledSize(id: string, terminal: string): Promise<string> {
  let before = "";
  return await eventually(
    "the size stays",
    async () => {
      const size = await sizeOf(id, terminal);
      const isSame = size === before;
      before = size;
      return isSame && size;
    },
    { intervalMs: 500 },
  );
}

/** Name of the terminal that has the keyboard, below /dev/pts. */
async function terminalName(id: string, { page }: VisitedPage): Promise<string> {
  const file = `/tmp/name-${Math.random().toString(36).slice(2)}`;
  await page.keyboard.type(`tty > ${file}\n`);
  const name = await eventually(
    "the shell names its terminal",
    async () => (await lab.server.shell(id, `cat ${file} 2>/dev/null || true`)).stdout,
  );
  return name.trim().replace("/dev/pts/", "");
}

test(
  "a terminal has the size of the pane that was used last; others show it whole, answer nothing and say so",
  { skip },
  async (t) => {
    const id = await lab.server.capsule(t);
    const large = await view(t, id);
    const first = await terminalName(id, large.visited);
    await large.page.getByRole("button", { name: "New terminal" }).click();
    await terminalShows(large.visited, PROMPT);
    const second = await terminalName(id, large.visited);
    const largeSize = await sizeOf(id, second);
    assert.notEqual(largeSize, "24 80");

    // The other page shows the first terminal: of the second one, which is hidden there, nothing changes.
    const small = await view(t, id, { viewport: { width: 700, height: 500 } });
    const smallSize = await sizeBecomes(id, first, (size) => size !== largeSize);
    const tabs = small.page.getByRole("list", { name: "Terminals" }).getByRole("listitem");
    assert.equal(await tabs.count(), 2);
    await small.page.setViewportSize({ width: 720, height: 480 });
    await sizeBecomes(id, first, (size) => size !== smallSize);
    assert.equal(await sizeOf(id, second), largeSize, "a hidden pane does not change the size");

    // It is shown there: a click is a use.
    await tabs.nth(1).getByRole("button").first().click();
    const inSmall = await sizeBecomes(id, second, (size) => size !== largeSize);
    const [rows, columns] = inSmall.split(" ");
    const notice = large.page.getByText(`Used in a window of ${columns} × ${rows} characters.`);
    await notice.waitFor();
    assert.equal(await large.page.locator(".xterm-rows:visible > div").count(), Number(rows));
    await large.page.setViewportSize({ width: 1200, height: 780 });
    await large.page.keyboard.type("x");
    await sizeBecomes(id, second, (size) => size !== inSmall);
    await notice.waitFor({ state: "detached" });
    const again = await settledSize(id, second);
    await small.page.getByText("Used in a window of").waitFor();
    // All of the larger screen can be read in the smaller pane: it scrolls.
    assert.equal(await small.page.locator(".xterm-rows:visible > div").count(), Number(again.split(" ")[0]));
    const box = small.page.locator(".xterm:visible").locator("..");
    const hidden = await box.evaluate(({ scrollHeight, clientHeight, scrollWidth, clientWidth }) => [
      scrollHeight > clientHeight,
      scrollWidth > clientWidth,
    ]);
    assert.deepEqual(hidden, [true, true]);
    await small.page.setViewportSize({ width: 710, height: 490 });
    await large.page.keyboard.press("Backspace");

    const recorder = await InputRecorder.start(lab.server, id, large.visited);
    await recorder.print("\u001b[5n");
    await recorder.gets("\u001b[0n");
    await terminalShows(small.visited, /./s);
    assert.equal(await sizeOf(id, second), again, "a viewer that changes its window only watches");
    await recorder.end();

    await small.page.getByRole("button", { name: "Fit to this window" }).click();
    await sizeBecomes(id, second, (size) => size !== again);
    assert.deepEqual([large.visited.complaints, small.visited.complaints], [[], []]);
  },
);

test(
  "an editor has the same screen after a change of size and a reload, and can be searched and used",
  { skip },
  async (t) => {
    const id = await lab.server.capsule(t);
    const { visited, page } = await view(t, id);
    await lab.server.shell(id, "seq -f 'line %g of the file' 500 > /root/file");
    await page.keyboard.type("vi file\n");
    await terminalShows(visited, /line 30 of the file/);
    await page.setViewportSize({ width: 900, height: 500 });
    // The editor draws fewer lines.
    await eventually(
      "the editor draws again",
      async () => (await page.locator(".xterm-rows:visible > div").count()) < 30,
    );
    await page.keyboard.press("Control+F");
    await page.keyboard.type("dd");
    await eventually(
      "the editor has moved",
      async () => !(await terminalText(visited)).includes("line 1 of"),
    );
    let before = "";
    await eventually(
      "the screen is still",
      async () => {
        const now = await terminalText(visited);
        const isSame = now === before;
        before = now;
        return isSame;
      },
      { intervalMs: 300 },
    );
    await page.reload();
    let last = "";
    await eventually(
      "the screen is the same",
      async () => (last = await terminalText(visited).catch(String)) === before,
      {
        timeoutMs: 15_000,
        details: () => [before, last],
      },
    );
    await page.keyboard.press("Control+Shift+F");
    const search = page.getByLabel("Find in the terminal");
    await search.fill("of the file");
    await search.press("Enter");
    await search.fill("no such text");
    await search.press("Enter");
    await page.getByText("Not found").waitFor();
    await search.press("Escape");
    await page.keyboard.type(":wq\n");
    await terminalShows(visited, PROMPT);
    assert.equal((await lab.server.shell(id, "wc -l < /root/file")).stdout.trim(), "499");
    assert.deepEqual(visited.complaints, []);
  },
);

test(
  "links show their true address and open by http only; clipboard and titles are what they seem",
  { skip },
  async (t) => {
    const id = await lab.server.capsule(t);
    const { visited, page } = await view(t, id, CLIPBOARD);
    const recorder = await InputRecorder.start(lab.server, id, visited);
    const link = (address: string, text: string): string =>
      `\u001b]8;;${address}\u001b\\${text}\u001b]8;;\u001b\\\r\n`;
    await recorder.print(
      [
        "\u001b[2J\u001b[H",
        link("https://evil.example/\u202Emoc", "https://bank.example/"),
        link("javascript:alert(1)", "a-script"),
        link("file:///etc/passwd", "a-file"),
        link("data:text/html,x", "some-data"),
        "http://plain.example/path\r\n",
        "links-end",
      ].join(""),
    );
    await terminalShows(visited, /links-end/);
    const rowHeight = (await page.locator(".xterm-rows > div").first().boundingBox())?.height ?? 0;
    const clickRow = async (row: number): Promise<void> => {
      const y = rowHeight * (row + 0.5);
      const screen = page.locator(".xterm-screen");
      await screen.hover({ position: { x: 200, y: rowHeight * 12 } });
      await screen.hover({ position: { x: 30, y } });
      // The emulator looks for links when the pointer rests on a line.
      await page
        .locator(".xterm-screen.xterm-cursor-pointer")
        .waitFor({ timeout: 1000 })
        .catch(() => undefined);
      await screen.click({ position: { x: 30, y } });
    };
    const shown = page.locator("bdi:visible");
    for (const row of [1, 2, 3]) await clickRow(row);
    assert.equal(await shown.count(), 0, "no link that is not http");
    await clickRow(0);
    await shown.waitFor();
    assert.equal(await shown.innerText(), "https://evil.example/%E2%80%AEmoc");
    const open = page.getByRole("link", { name: "Open" });
    assert.equal(await open.getAttribute("href"), "https://evil.example/%E2%80%AEmoc");
    assert.equal(await open.getAttribute("rel"), "noopener noreferrer");
    await page.getByRole("button", { name: "Dismiss" }).click();
    await clickRow(4);
    await shown.waitFor();
    assert.equal(await shown.innerText(), "http://plain.example/path");
    await page.getByRole("button", { name: "Dismiss" }).click();

    const offer = (text: string): string => `\u001b]52;c;${Buffer.from(text).toString("base64")}\u0007`;
    await setClipboard(visited, "kept");
    await recorder.print(`\u001b]52;c;?\u0007${offer("x".repeat((1 << 20) + 3))}${offer("refused\u202E")}`);
    await page.getByText("asks to copy 8 characters").waitFor();
    assert.equal(await page.locator("bdi:visible").innerText(), "refused");
    await page.getByRole("button", { name: "Refuse" }).click();
    assert.equal(await clipboardOf(visited), "kept");
    await recorder.print(offer("allowed"));
    await page.getByText("asks to copy 7 characters").waitFor();
    await page.getByRole("button", { name: "Allow" }).click();
    await eventually("the text is in the clipboard", async () => (await clipboardOf(visited)) === "allowed");
    await recorder.print("\u001b]0;photo\u202Egpj.sh\u200B\u0007");
    await page.getByRole("button", { name: "photogpj.sh", exact: true }).waitFor();
    assert.equal(
      await page.evaluate(
        "document.activeElement.className || document.activeElement.outerHTML.slice(0, 300)",
      ),
      "xterm-helper-textarea",
      "the terminal has the keyboard again",
    );
    assert.equal((await recorder.received()).length, 0, "programs get no answer");
    await recorder.end();
    assert.deepEqual(visited.complaints, []);
  },
);

test(
  "without a network what is typed is kept and sent once; what was printed is shown, or said to be missing",
  { skip },
  async (t) => {
    const id = await lab.server.capsule(t);
    const { visited, page } = await view(t, id);
    const name = await terminalName(id, visited);
    await page.context().setOffline(true);
    await page.getByText("The connection is broken and is being made again.").waitFor();
    await page.keyboard.type("echo typed | tee -a /root/typed\n");
    await lab.server.shell(id, `echo printed-meanwhile > /dev/pts/${name}`);
    if (LONG) {
      // Lines so long that all of what is kept is within what the terminal scrolls back.
      await lab.server.exec(id, "sh", ["-c", `sleep 300; seq -f %01000.0f 4500 > /dev/pts/${name}`], {
        background: true,
      });
      await new Promise((resolve) => setTimeout(resolve, 20 * 60_000));
    }
    await page.context().setOffline(false);
    await page.getByText("The connection is broken").waitFor({ state: "detached", timeout: 30_000 });
    await eventually("what was typed is executed", async () =>
      (await lab.server.shell(id, "cat /root/typed 2>/dev/null || true")).stdout.includes("typed"),
    );
    await terminalShows(visited, LONG ? /typed/ : /printed-meanwhile[^]*typed/);
    if (LONG) {
      await page.keyboard.press("Control+Shift+F");
      const search = page.getByLabel("Find in the terminal");
      await search.fill("of output are not kept");
      await search.press("Enter");
      await terminalShows(visited, /MB of output are not kept/);
      await search.press("Escape");
    }
    await page.keyboard.type("echo and-$((40+2))-on\n");
    await terminalShows(visited, /and-42-on/);
    assert.equal((await lab.server.shell(id, "cat /root/typed")).stdout, "typed\n");
    assert.deepEqual(visited.complaints, []);
  },
);
