import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { noBrowser } from "../support/browser.ts";
import { DashboardLab } from "../support/dashboard-lab.ts";

/* What guests and members write into names, titles, processes and logs, as the pages show it. */

const skip = noBrowser;
/** Right to left from here on; nothing; an escape sequence; an element; marks that stack; and very long. */
const TURNED = "\u202egnp.exe";
const HIDDEN = "a\u200bb\u2066c";
const MARKUP = "<img src=x onerror=globalThis.injected=true><b>bold</b>";
const STACKED = `z${"\u0301".repeat(200)}`;
const LONG = "long".repeat(120);
/** What may not be in the text of a page: controls, and characters that turn or hide. */
const UNSEEN = String.raw`/[\0-\x08\x0b-\x1f\x7f-\x9f\u200b\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/u`;

let lab: DashboardLab;
let id: string;
before(async () => {
  if (skip !== false) return;
  lab = await DashboardLab.open();
  id = await lab.server.capsule(undefined, {
    name: "odd",
    metadata: { turned: TURNED, hidden: HIDDEN, markup: MARKUP, stacked: STACKED, long: LONG },
  });
  const all = `${TURNED} ${HIDDEN} ${MARKUP} ${STACKED} ${LONG}`;
  await lab.server.exec(id, "sh", ["-c", "printf '%s\\n' \"$1\"; sleep 600", all, all], {
    background: true,
    tag: `tag ${TURNED} ${MARKUP}`,
  });
  await lab.server.shell(
    id,
    `printf 'log %s \\033[31mred\\033[0m \\033]0;title\\007 end-of-line\\n' ${JSON.stringify(`${TURNED} ${HIDDEN} ${MARKUP}`)} > /dev/console
    cp /usr/bin/python3 '/tmp/<b>\u202exe' && cd /tmp && ('/tmp/<b>\u202exe' -m http.server 8000 >/dev/null 2>&1 &)
    timeout 2 python3 -c 'import socket; socket.getaddrinfo("<b>x</b>.example.org", 80)' 2>/dev/null || true`,
  );
  await lab.callAsAdmin("PATCH", "/v1/me", { name: `Ada ${TURNED} ${MARKUP}` });
  await lab.callAsAdmin("POST", "/v1/api-keys", { name: `key ${TURNED} ${MARKUP}`, scopes: ["read"] });
});
after(() => lab?.[Symbol.asyncDispose]());

for (const viewport of [
  { width: 1280, height: 800 },
  { width: 390, height: 844 },
])
  test(
    `odd strings neither act, hide, turn the text around nor break the page, ${viewport.width} wide`,
    { skip },
    async () => {
      const visited = await lab.visit("/capsules", { viewport });
      const { page } = visited;
      const pages: readonly (readonly [string, string])[] = [
        ["/capsules", "odd"],
        [`/capsules/${id}/ports`, "8000"],
        [`/capsules/${id}/processes`, "⟨U+202E⟩gnp.exe"],
        [`/capsules/${id}/logs`, "end-of-line"],
        [`/capsules/${id}/timeline`, "Created"],
        [`/capsules/${id}/network`, "Decisions"],
        [`/capsules/${id}/settings`, "⟨U+202E⟩gnp.exe"],
        ["/keys", "key ⟨U+202E⟩"],
        ["/team", "Ada ⟨U+202E⟩"],
      ];
      for (const [path, text] of pages) {
        await page.goto(`${lab.server.url}${path}`);
        await page.getByText(text).first().waitFor();
        if (path.endsWith("/processes")) {
          await page.getByRole("button", { name: "Output" }).first().click();
          await page.locator("pre").getByText("⟨U+202E⟩gnp.exe").waitFor();
        }
        const found = await page.evaluate<readonly string[]>(`(() => {
        const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
        const texts = [document.title];
        while (walker.nextNode()) texts.push(walker.currentNode.data);
        for (const element of document.querySelectorAll("[aria-label], [title]"))
          texts.push(element.getAttribute("aria-label") ?? "", element.getAttribute("title") ?? "");
        return texts.filter((text) => ${UNSEEN}.test(text));
      })()`);
        assert.deepEqual(found, [], path);
        assert.equal(await page.evaluate("globalThis.injected"), undefined, path);
        assert.equal(await page.locator("main img, main b").count(), 0, path);
        const width = await page.evaluate<number>("document.documentElement.scrollWidth");
        assert.ok(width <= viewport.width, `${path} is ${width} wide`);
        assert.match(await page.title(), /^[\w .-]+ · Wrenn$/, path);
      }
      assert.deepEqual(visited.complaints, []);
    },
  );
