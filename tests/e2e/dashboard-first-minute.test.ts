import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { buildDashboard } from "@wrenn/host-setup";
import { noBrowser, TestBrowser } from "../support/browser.ts";
import type { VisitedPage } from "../support/browser.ts";
import { projectRoot } from "../support/sources.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* From the link that `up` prints to a program in a capsule, by the keyboard alone. */

const skip = noBrowser;
const PASSWORD = "a password of many words";

let server: TestServer;
let browser: TestBrowser;
before(async () => {
  if (skip !== false) return;
  await buildDashboard({ projectRoot, progress: () => {} });
  server = await startTestServer();
  browser = await TestBrowser.start();
});
after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await server?.close();
});

/** What the terminal in front shows. */
async function screenText({ page }: VisitedPage): Promise<string> {
  return await page.locator(".xterm-rows").first().innerText();
}

async function shows(visited: VisitedPage, text: RegExp): Promise<void> {
  await eventually(`the terminal shows ${text}`, async () => text.test(await screenText(visited)), {
    timeoutMs: 30_000,
  });
}

test(
  "the keyboard alone leads from the link to a program in a capsule, which a reload finds again",
  { skip },
  async () => {
    const token = server.server.firstAdminToken ?? assert.fail("there is an administrator already");
    const visited = await browser.visit(`${server.url}/welcome#${token}`);
    const { page } = visited;
    await page.getByRole("heading", { name: "Create the first administrator" }).waitFor();
    assert.ok(!page.url().includes(token), "the token leaves the address at once");
    await visited.tabTo("Name");
    await page.keyboard.type("Ada");
    await visited.tabTo("Email");
    await page.keyboard.type("ada@example.org");
    await visited.tabTo("Password");
    await page.keyboard.type(PASSWORD);
    await page.keyboard.press("Enter");

    await page.getByRole("heading", { name: "No capsule yet" }).waitFor();
    await visited.tabTo("Start one and open its terminal");
    await page.keyboard.press("Enter");
    await page.waitForURL(/\/capsules\/cl-/);
    await shows(visited, /[#$] *$/m);
    await page.keyboard.type("echo first-$((6*7))\n");
    await shows(visited, /first-42/);

    await page.reload();
    await shows(visited, /first-42/);
    await page.keyboard.type("echo second-$((6*8))\n");
    await shows(visited, /second-48/);

    const stored = await page.evaluate<string>(
      "JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage)])",
    );
    assert.doesNotMatch(stored, /eyJ|token/i, "no token lies where scripts can read it");
    assert.deepEqual(visited.complaints, []);
  },
);

test(
  "lists change by events: what another client does is seen without a reload, also after the server was silent",
  { skip },
  async (t) => {
    const visited = await browser.visit(`${server.url}/login`);
    const { page } = visited;
    await page.getByLabel("Email").fill("ada@example.org");
    await page.getByLabel("Password").fill(PASSWORD);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.getByRole("list", { name: "Capsules" }).waitFor();
    const id = await server.capsule(t, { name: "made-elsewhere" });
    await page.getByRole("link", { name: "made-elsewhere" }).waitFor();
    assert.equal((await server.call("POST", `/v1/capsules/${id}/pause`)).status, 200);
    const row = page.getByRole("listitem").filter({ hasText: "made-elsewhere" });
    await row.getByText("Paused").waitFor();

    await page.context().setOffline(true);
    assert.equal((await server.call("POST", `/v1/capsules/${id}/resume`)).status, 200);
    await page.getByText("No connection to the server").waitFor({ timeout: 90_000 });
    await page.context().setOffline(false);
    await row.getByText("Running").waitFor();
    await page.getByText("No connection to the server").waitFor({ state: "detached" });
    assert.equal((await server.call("DELETE", `/v1/capsules/${id}`)).status, 204);
    await row.waitFor({ state: "detached" });
    assert.deepEqual(visited.complaints, []);
  },
);
