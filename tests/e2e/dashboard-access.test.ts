/* Drawn: pages change seldom, and one theme of two is drawn as well. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { after, before, test } from "node:test";
import type { AxeResults } from "axe-core";
import type { Page } from "playwright-core";
import { noBrowser } from "../support/browser.ts";
import { DashboardLab } from "../support/dashboard-lab.ts";
import { SeededRandom } from "../support/seeded-random.ts";

/* Every page in both themes, as people with other eyes and hands meet it (WCAG 2.2 AA, by axe-core). */

const skip = noBrowser;
/** Of no link. */
const NO_TOKEN = "0".repeat(64);
const THEMES = ["light", "dark"] as const;
const VIEWS = ["", "/ports", "/processes", "/logs", "/metrics", "/timeline", "/network", "/settings"];

let lab: DashboardLab;
let id: string;
let axe: string;
before(async () => {
  if (skip !== false) return;
  lab = await DashboardLab.open();
  id = await lab.server.capsule(undefined, { name: "looked-at" });
  axe = await readFile(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
});
after(() => lab?.[Symbol.asyncDispose]());

/** Findings that keep somebody from using the page. */
async function findings(page: Page): Promise<readonly string[]> {
  await page.evaluate(axe);
  const { violations } = await page.evaluate<AxeResults>(
    "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'] })",
  );
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id: rule, help, nodes }) =>
      nodes.map(({ html }) => `${rule}, ${help}: ${html.slice(0, 200)}`),
    );
}

/** Code of a device that waits for a person. */
async function userCode(): Promise<string> {
  const { body } = await lab.server.call<{ user_code: string }>("POST", "/v1/auth/device", {});
  return body.user_code;
}

/** Pages have the same parts and other colours in the other theme: one of the two is drawn, and --long has both. */
const drawn = new SeededRandom(Date.now()).pick(THEMES);
const skipsTheme = (theme: (typeof THEMES)[number]): string | false =>
  theme === drawn || process.env["WRENN_TEST_LONG"] === "1" ? skip : `drawn was ${drawn}; both with --long`;

for (const colorScheme of THEMES) {
  test(`pages before the log-in, ${colorScheme}`, { skip: skipsTheme(colorScheme) }, async () => {
    for (const path of [
      "/login",
      `/login#link=${"0".repeat(64)}`,
      "/signup",
      "/forgot-password",
      `/reset-password?token=${NO_TOKEN}`,
      `/welcome#${NO_TOKEN}`,
      "/docs/api/cli?state=success",
      "/docs/api/cli?next=http%3A%2F%2Fexample.org%3A4711",
      `/v1/ports/sign-in?capsule=${id}&port=80&path=/&binding=${"b".repeat(43)}`,
    ]) {
      const { page } = await lab.browser.visit(lab.server.url + path, { colorScheme, bypassCSP: true });
      await page.getByRole("heading").first().waitFor();
      assert.deepEqual(await findings(page), [], path);
      await page.context().close();
    }
  });

  test(`pages of a team, ${colorScheme}`, { skip: skipsTheme(colorScheme) }, async () => {
    const { page } = await lab.visit("/capsules", { colorScheme, bypassCSP: true });
    const paths = [
      "/capsules",
      ...VIEWS.map((view) => `/capsules/${id}${view}`),
      "/keys",
      "/team",
      "/account",
      "/invitations",
      `/device?user_code=${await userCode()}`,
      "/docs/api/cli?next=http%3A%2F%2Flocalhost%3A4711&cliVersion=2.19.0",
    ];
    for (const path of paths) {
      await page.goto(lab.server.url + path);
      await page.getByRole("heading").first().waitFor();
      // What is loaded after the heading.
      await page.waitForLoadState("load");
      await page.waitForTimeout(300);
      assert.deepEqual(await findings(page), [], path);
    }
    await page.goto(`${lab.server.url}/capsules`);
    await page.getByRole("button", { name: "Start a capsule" }).click();
    await page.getByRole("dialog").waitFor();
    assert.deepEqual(await findings(page), [], "the launch dialog");
    await page.keyboard.press("Escape");
    await page.keyboard.press("Control+k");
    await page.getByRole("dialog").waitFor();
    assert.deepEqual(await findings(page), [], "the palette");
    await page.keyboard.press("Escape");
  });

  test(`dialogs, notices and menus, ${colorScheme}`, { skip: skipsTheme(colorScheme) }, async () => {
    const { page } = await lab.visit("/capsules?start=1", { colorScheme, bypassCSP: true });
    const settled = async (what: string): Promise<void> => {
      // Colours of what opens are between two until it is open.
      await page.waitForFunction(
        "document.getAnimations().every(({ playState }) => playState !== 'running')",
      );
      assert.deepEqual(await findings(page), [], what);
    };
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("vCPUs").fill("999");
    await dialog.getByText("More options").click();
    await dialog.getByRole("button", { name: "Start" }).click();
    await dialog.getByRole("alert").waitFor();
    await settled("a refused launch");
    await page.keyboard.press("Escape");
    await page.getByLabel("Select looked-at").check();
    await page.getByRole("button", { name: "Actions for looked-at" }).click();
    await page.getByRole("menu").waitFor();
    await settled("the menu of a capsule, which is selected");
    await page.keyboard.press("Escape");
    await page.getByRole("button", { name: "Destroy" }).click();
    await dialog.waitFor();
    await settled("the question before something is destroyed");
    await page.goto(`${lab.server.url}/capsules/${id}`);
    await page.getByRole("button", { name: "Commands" }).click();
    await dialog.waitFor();
    await settled("commands");
    await page.goto(`${lab.server.url}/keys?new=1`);
    await dialog.waitFor();
    await settled("a new key");
    await page.goto(`${lab.server.url}/capsules/cl-0000000000000000000000000`);
    await page.getByRole("alert").waitFor();
    await settled("a capsule that is not there");
    await page.goto(`${lab.server.url}/capsules/a/b/c`);
    await page.getByRole("heading").first().waitFor();
    await settled("an address that leads nowhere");
    await page.goto(`${lab.server.url}/capsules`);
    await page.getByRole("link", { name: "looked-at" }).waitFor();
    await page.context().setOffline(true);
    await page.getByText("No connection to the server").waitFor();
    await settled("without a connection");
  });
}

test("pages on a phone", { skip }, async () => {
  const viewport = { width: 390, height: 844 };
  const { page } = await lab.visit("/capsules", { bypassCSP: true, viewport });
  for (const path of ["/capsules", ...VIEWS.map((view) => `/capsules/${id}${view}`), "/keys", "/team"]) {
    await page.goto(lab.server.url + path);
    await page.getByRole("heading").first().waitFor();
    await page.waitForLoadState("load");
    assert.deepEqual(await findings(page), [], path);
  }
});
