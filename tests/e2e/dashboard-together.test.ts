import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { Locator, Page } from "playwright-core";
import { noBrowser } from "../support/browser.ts";
import type { VisitedPage } from "../support/browser.ts";
import { DashboardLab } from "../support/dashboard-lab.ts";

/* Two people of one team: what one changes, the other sees without a reload. */

const skip = noBrowser;
const GRACE = { email: "grace@example.org", password: "another password of words", name: "Grace Hopper" };
/** From the click of one to the sight of the other; both browsers and the capsules share two processors. */
const SOON_MS = 5000;

let lab: DashboardLab;
let id: string;
let ada: VisitedPage;
let grace: VisitedPage;
before(async () => {
  if (skip !== false) return;
  lab = await DashboardLab.open();
  await lab.addMember(GRACE, "admin");
  id = await lab.server.capsule(undefined, { name: "shared" });
  [ada, grace] = await Promise.all([lab.visit("/capsules"), lab.visitAs(GRACE, "/capsules")]);
  await grace.page.getByRole("button", { name: /account, teams and appearance/ }).click();
  await grace.page.getByRole("menuitem", { name: /^Go to/ }).click();
  await grace.page.getByRole("link", { name: "shared" }).waitFor();
});
after(() => lab?.[Symbol.asyncDispose]());

const open = async (path: string): Promise<readonly [Page, Page]> => {
  for (const { page } of [ada, grace]) {
    await page.goto(`${lab.server.url}${path}`);
    await page.getByRole("heading").first().waitFor();
  }
  return [ada.page, grace.page];
};

async function shows(field: Locator, value: string): Promise<void> {
  await eventually(`the other one sees ${value}`, async () => (await field.inputValue()) === value, {
    timeoutMs: SOON_MS,
  });
}

/** What one does is seen by the other one soon after. */
async function seenBy(
  sight: Locator,
  work: () => Promise<unknown>,
  state: "visible" | "detached" = "visible",
): Promise<void> {
  await work();
  await sight.waitFor({ state, timeout: SOON_MS });
}

test("capsules that are made, renamed, paused and destroyed", { skip }, async () => {
  const [hers, others] = await open("/capsules");
  const row = others.getByRole("listitem").filter({ hasText: "from-ada" });
  await hers.getByRole("button", { name: "Start a capsule" }).click();
  await hers.getByRole("dialog").getByLabel("Name", { exact: true }).fill("from-ada");
  await hers.getByRole("dialog").getByRole("button", { name: "Start" }).click();
  await hers.waitForURL(/\/capsules\/cl-/);
  await row.getByText("Running").waitFor();
  await hers.getByRole("link", { name: "Settings" }).click();
  await hers.getByLabel("Name", { exact: true }).fill("renamed");
  await seenBy(others.getByRole("link", { name: "renamed" }), async () => {
    await hers.getByRole("button", { name: "Save" }).click();
    await hers.getByRole("heading", { name: "renamed" }).waitFor();
  });
  const renamed = others.getByRole("listitem").filter({ hasText: "renamed" });
  await seenBy(renamed.getByText("Paused"), async () => {
    await hers.getByRole("button", { name: "Pause" }).click();
    await hers.getByRole("button", { name: "Resume" }).first().waitFor();
  });
  await seenBy(
    renamed,
    async () => {
      await hers.getByRole("button", { name: "Destroy" }).click();
      await hers.getByRole("dialog").getByRole("button", { name: "Destroy" }).click();
      await hers.waitForURL(/\/capsules$/);
    },
    "detached",
  );
});

test("the settings of a capsule, its network and who may use its ports", { skip }, async () => {
  const [hers, others] = await open(`/capsules/${id}/settings`);
  await hers.getByLabel("Metadata").fill("stage=test");
  await hers.getByRole("button", { name: "Save" }).click();
  await shows(others.getByLabel("Metadata"), "stage=test");
  await open(`/capsules/${id}/network`);
  await hers.getByLabel("Everything that is not listed is").selectOption("deny");
  await hers.getByLabel("Allowed", { exact: true }).fill("192.0.2.1");
  await hers.getByRole("button", { name: "Apply" }).click();
  await shows(others.getByLabel("Allowed", { exact: true }), "192.0.2.1");

  await open(`/capsules/${id}/ports`);
  const port = hers.getByLabel("Another port");
  await port.fill("8000");
  await seenBy(others.getByText("8000 is public"), async () => await port.press("Enter"));
  await lab.server.exec(id, "python3", ["-m", "http.server", "8000"], { background: true });
  const row = others.getByRole("row").filter({ hasText: "Public" });
  await row.waitFor();
  await hers.getByRole("button", { name: "Make private" }).click();
  await others.getByRole("row").filter({ hasText: "Team" }).waitFor();
  const links = others.getByRole("table", { name: "Signed links" });
  await seenBy(links, async () => {
    await hers.getByRole("button", { name: "Create link (1 h)" }).click();
  });
  await seenBy(links, async () => await hers.getByRole("button", { name: "Revoke" }).click(), "detached");
});

test("keys, members, roles, invitations and the name of the team", { skip }, async () => {
  const [hers, others] = await open("/keys");
  const key = others.getByRole("row").filter({ hasText: "of both" });
  await seenBy(key, async () => {
    await hers.getByRole("button", { name: "Create a key" }).click();
    await hers.getByRole("dialog").getByLabel("Name").fill("of both");
    await hers.getByRole("dialog").getByRole("button", { name: "Create" }).click();
    await hers.getByRole("button", { name: "Done" }).click();
  });
  await open("/team");
  await hers.getByLabel("Name of the team").fill("Renamed together");
  await hers.getByRole("button", { name: "Rename" }).click();
  await shows(others.getByLabel("Name of the team"), "Renamed together");
  const invitation = others.getByRole("row").filter({ hasText: "alan@example.org" });
  await hers.getByLabel("Email of the person to invite").fill("alan@example.org");
  await seenBy(invitation, async () => await hers.getByRole("button", { name: "Invite" }).click());
  const mine = hers.getByRole("row").filter({ hasText: "alan@example.org" });
  await seenBy(
    invitation,
    async () => await mine.getByRole("button", { name: "Withdraw" }).click(),
    "detached",
  );
  await lab.addMember({ email: "edsger@example.org", password: "words and words, many", name: "Edsger" });
  for (const page of [hers, others]) await page.getByRole("row").filter({ hasText: "Edsger" }).waitFor();
  // What Grace may not do any longer is not offered to her any longer.
  await hers.getByLabel("Role of Grace Hopper").selectOption("member");
  await others.getByRole("button", { name: "Rename" }).waitFor({ state: "detached" });
  const row = hers.getByRole("row").filter({ hasText: "Grace Hopper" });
  await row.getByRole("button", { name: "Remove" }).click();
  await hers.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await row.waitFor({ state: "detached" });
  // Her log-in acted in this team, and ends with her membership.
  await others.waitForURL(/\/login/);
  assert.deepEqual([ada.complaints, grace.complaints], [[], []]);
});
