import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { noBrowser } from "../support/browser.ts";
import { DashboardLab } from "../support/dashboard-lab.ts";

/* Keys, a team of two in two browsers, and a person's own account. */

const skip = noBrowser;
const GRACE = { email: "grace@example.org", password: "another password of words", name: "Grace Hopper" };
let lab: DashboardLab;
before(async () => {
  if (skip === false) lab = await DashboardLab.open();
});
after(() => lab?.[Symbol.asyncDispose]());

test("a key is shown once, works, and is refused once it is revoked", { skip }, async () => {
  const visited = await lab.visit("/keys");
  const { page } = visited;
  await page.getByRole("button", { name: "Create a key" }).click();
  await page.getByLabel("Name").fill("for the build");
  await page.getByRole("dialog").getByRole("button", { name: "Create" }).click();
  const key = await page.getByRole("dialog").locator("code").innerText();
  assert.match(key, /^wrn_[0-9a-f]{32}$/);
  const ask = async (): Promise<number> =>
    (await fetch(`${lab.server.url}/v1/capsules`, { headers: { "x-api-key": key } })).status;
  assert.equal(await ask(), 200);
  await page.getByRole("button", { name: "Done" }).click();
  assert.ok(!(await page.content()).includes(key), "it is nowhere on the page any more");
  const row = page.getByRole("row").filter({ hasText: "for the build" });
  await row.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await row.waitFor({ state: "detached" });
  assert.equal(await ask(), 401);
  assert.deepEqual(visited.complaints, []);
});

test("a key can have the form that clients of E2B take, and works in their API", { skip }, async () => {
  const visited = await lab.visit("/keys?new=1");
  const dialog = visited.page.getByRole("dialog");
  await dialog.getByLabel("Name").fill("for E2B");
  assert.equal(await dialog.getByLabel("wrn_").isChecked(), true);
  await dialog.getByLabel("e2b_").check();
  await dialog.getByRole("button", { name: "Create" }).click();
  const key = await dialog.locator("code").innerText();
  assert.match(key, /^e2b_[0-9a-f]{40}$/);
  const answer = await fetch(`${lab.server.url}/v2/sandboxes`, { headers: { "x-api-key": key } });
  assert.deepEqual([answer.status, await answer.json()], [200, []]);
  await visited.page.getByRole("button", { name: "Done" }).click();
  await visited.page
    .getByRole("row")
    .filter({ hasText: key.slice(0, 10) })
    .waitFor();
  assert.deepEqual(visited.complaints, []);
});

test(
  "a person who is invited signs up, joins, and both browsers of the team see the same",
  { skip },
  async (t) => {
    const ada = await lab.visit("/team");
    await ada.page.getByLabel("Email of the person to invite").fill(GRACE.email);
    await ada.page.getByRole("button", { name: "Invite" }).click();
    await ada.page.getByRole("row").filter({ hasText: GRACE.email }).waitFor();

    const grace = await lab.browser.visit(`${lab.server.url}/signup`);
    await grace.page.getByLabel("Name").fill(GRACE.name);
    await grace.page.getByLabel("Email").fill(GRACE.email);
    await grace.page.getByLabel("Password").fill(GRACE.password);
    await grace.page.getByRole("button", { name: "Sign up" }).click();
    await grace.page.getByRole("heading", { name: "Check your mail" }).waitFor();
    await grace.page.goto(await activationLink());
    // Without TLS another page could have planted the cookie that says which browser signed up.
    await grace.page.getByLabel("Password").fill(GRACE.password);
    await grace.page.getByRole("button", { name: "Open the account" }).click();
    await grace.page.waitForURL(`${lab.server.url}/capsules`);
    assert.ok(!grace.page.url().includes("token"));
    await grace.page.goto(`${lab.server.url}/invitations`);
    await grace.page.getByRole("button", { name: "Join" }).click();
    await grace.page.waitForURL(`${lab.server.url}/capsules`);
    await ada.page.getByRole("row").filter({ hasText: GRACE.name }).waitFor();

    const id = await lab.server.capsule(t, { name: "of-both" });
    await grace.page.getByRole("link", { name: "of-both" }).waitFor();
    await ada.page.goto(`${lab.server.url}/capsules`);
    await ada.page.getByRole("link", { name: "of-both" }).waitFor();
    await lab.server.call("DELETE", `/v1/capsules/${id}`);
    for (const { page } of [ada, grace])
      await page.getByRole("link", { name: "of-both" }).waitFor({ state: "detached" });

    await ada.page.goto(`${lab.server.url}/team`);
    const row = ada.page.getByRole("row").filter({ hasText: GRACE.name });
    await row.getByRole("button", { name: "Remove" }).click();
    await ada.page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
    await row.waitFor({ state: "detached" });
    assert.deepEqual([ada.complaints, grace.complaints], [[], []]);
  },
);

test(
  "name and password are changed; a wrong password says what to do, with code and request id",
  { skip },
  async () => {
    const visited = await lab.visit("/account");
    const { page } = visited;
    await page.getByLabel("Name").fill("Ada King");
    await page.getByRole("button", { name: "Save" }).click();
    await page
      .getByRole("button", { name: /account, teams and appearance/ })
      .getByText("Ada King")
      .waitFor();
    await page.getByLabel("Present password").fill("not it");
    await page.getByLabel("New password").fill("the next password of words");
    await page.getByLabel("Repeat the password").fill("the next password of words");
    await page.getByRole("button", { name: "Change password" }).click();
    await page
      .getByRole("alert")
      .getByText(/^req-[0-9a-f]+/)
      .waitFor();
    await page.getByLabel("Present password").fill(lab.admin.password);
    await page.getByRole("button", { name: "Change password" }).click();
    await page.getByText("The password is changed.").waitFor();
    await visited.page.getByRole("button", { name: /account, teams and appearance/ }).click();
    await visited.page.getByRole("menuitem", { name: "Log out" }).click();
    await page.waitForURL(/\/login/);
    await page.goto(`${lab.server.url}/capsules`);
    await page.waitForURL(/\/login/);
    assert.deepEqual(visited.complaints, []);
  },
);

/** The link of the mail that activates Grace's account, which is kept while there is no mail server. */
async function activationLink(): Promise<string> {
  const headers = { authorization: `Bearer ${lab.token}` };
  return await eventually("the mail is written", async () => {
    const mails = (await (await fetch(`${lab.server.url}/v1/admin/mails`, { headers })).json()) as {
      readonly to: string;
      readonly link?: string;
    }[];
    const mail = mails.find(({ to, link = "" }) => to === GRACE.email && link.includes("/activate?"));
    // The server of this test chooses its port when it listens: its mails do not know it.
    const { pathname, search } = new URL(mail?.link ?? "http://none/");
    return mail && `${lab.server.url}${pathname}${search}`;
  });
}
