import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { Page } from "playwright-core";
import { noBrowser } from "../support/browser.ts";
import { DashboardLab } from "../support/dashboard-lab.ts";
import { FaultProxy } from "../support/fault-proxy.ts";

/* What pages do, and what they say when something fails: lists, forms, the connection, the login and the rights of a person. */

const skip = noBrowser;
const GRACE = { email: "grace@example.org", password: "another password of words", name: "Grace Hopper" };
const EVENTS = "**/v1/events**";
const REQUEST_ID = /req-[0-9a-f]+/;

let lab: DashboardLab;
before(async () => {
  if (skip === false) lab = await DashboardLab.open();
});
after(() => lab?.[Symbol.asyncDispose]());

const teamId = async (): Promise<string> => {
  const [team] = await lab.callAsAdmin<{ readonly id: string }[]>("GET", "/v1/teams");
  return team?.id ?? assert.fail("no team");
};
/** Does something of which the page hears nothing until the route is taken away. */
async function withoutEvents(page: Page, work: () => Promise<unknown>): Promise<void> {
  await page.context().route(EVENTS, (route) => route.abort());
  await page.context().setOffline(true);
  await page.getByText("No connection to the server").waitFor();
  await work();
  await page.context().setOffline(false);
}

const namesIn = async (page: Page): Promise<readonly string[]> =>
  await page.getByRole("list", { name: "Capsules" }).getByRole("link").allInnerTexts();

test(
  "the list is searched and sorted by its address; a bulk action says which ones failed",
  { skip },
  async (t) => {
    for (const [name, project] of [
      ["b-shop", "shop"],
      ["a-shop", "shop"],
      ["c-other", "other"],
    ])
      await lab.server.capsule(t, { name, metadata: { project } });
    const visited = await lab.visit("/capsules");
    const { page } = visited;
    await page.getByRole("link", { name: "c-other" }).waitFor();
    await page.getByLabel("Search capsules").fill("project=shop");
    await page.getByLabel("Order").selectOption("name");
    await page.getByRole("link", { name: "c-other" }).waitFor({ state: "detached" });
    assert.equal(await page.getByText("project=shop", { exact: true }).count(), 2);
    assert.deepEqual(await namesIn(page), ["a-shop", "b-shop"]);
    await page.reload();
    await page.getByRole("link", { name: "b-shop" }).waitFor();
    assert.deepEqual(await namesIn(page), ["a-shop", "b-shop"]);

    for (const name of ["a-shop", "b-shop"]) await page.getByLabel(`Select ${name}`, { exact: true }).check();
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByText("Paused").nth(1).waitFor();
    await page.getByLabel("Search capsules").fill("status:paused");
    assert.equal((await namesIn(page)).length, 2);
    // One ends, and this page does not hear of it.
    await withoutEvents(page, async () => await lab.server.call("DELETE", "/v1/capsules/b-shop"));
    await page.getByLabel("Search capsules").fill("shop");
    for (const name of ["a-shop", "b-shop"]) await page.getByLabel(`Select ${name}`, { exact: true }).check();
    await page.getByRole("button", { name: "Resume" }).click();
    const notice = page.getByRole("alert");
    await notice.getByText("1 of 2 could not be changed").waitFor();
    assert.match(await notice.innerText(), /b-shop: .*capsule_not_paused req-[0-9a-f]+/s);
    await page.getByText("1 selected").waitFor();
    await page.getByText("Running").waitFor();
    await page.context().unroute(EVENTS);
    await page
      .getByRole("listitem")
      .filter({ hasText: "b-shop" })
      .getByRole("checkbox")
      .waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Dismiss" }).click();

    await lab.server.capsule(t, { name: "d-shop" });
    for (const name of ["a-shop", "d-shop"]) await page.getByLabel(`Select ${name}`, { exact: true }).check();
    await page.getByRole("button", { name: "Destroy" }).click();
    await page.getByRole("dialog").getByRole("button", { name: "Destroy" }).click();
    await page.getByRole("heading", { name: "Nothing matches" }).waitFor();
    assert.deepEqual(visited.complaints, []);
  },
);

test(
  "the launch dialog shows each refusal at its field, and starts a capsule with everything",
  { skip },
  async (t) => {
    await lab.server.capsule(t, { name: "taken" });
    const visited = await lab.visit("/capsules?start=1");
    const { page } = visited;
    const dialog = page.getByRole("dialog");
    const field = (label: string | RegExp) => dialog.getByLabel(label, { exact: true });
    const start = async (): Promise<void> => await dialog.getByRole("button", { name: "Start" }).click();
    const refusedAt = async (label: string, text: RegExp): Promise<void> => {
      await dialog.locator("[aria-invalid=true]:focus").waitFor();
      assert.equal(await field(label).getAttribute("aria-invalid"), "true", label);
      const described = await field(label).getAttribute("aria-describedby");
      assert.match(await page.locator(`[id="${described}"]`).innerText(), text);
    };
    await field("vCPUs").fill("many");
    await start();
    await refusedAt("vCPUs", /'many' is not a number/);
    await field("vCPUs").fill("999");
    await start();
    await dialog.getByRole("alert").getByText(REQUEST_ID).waitFor();
    await refusedAt("vCPUs", /must be <= 64/);
    assert.match(await dialog.getByRole("alert").innerText(), /Correct the named field.*\ninvalid_field/s);
    await field("vCPUs").fill("1");
    await field("Name").fill("taken");
    await start();
    await dialog.getByText("capsule_name_taken").waitFor();
    await refusedAt("Name", /taken/);
    // One in the part that is folded away is brought into view.
    await dialog.getByText("More options").click();
    await field("Name").fill("with-everything");
    await field("Metadata").fill("no-pair");
    await dialog.getByText("More options").click();
    await start();
    await refusedAt("Metadata", /write key=value/);
    assert.ok(await field("Metadata").isVisible());

    await field("Metadata").fill("project=shop\nowner=ada");
    await field("Memory, MiB").fill("256");
    await field("Pause when idle, minutes").fill("10");
    await field("Maximum run time, minutes").fill("60");
    await dialog.getByLabel("At the end of a run").selectOption("destroy");
    await field("Default user").fill("user");
    await field("Default directory").fill("/tmp");
    await field("Environment").fill("GREETING=hello there\nN=1");
    await dialog.getByLabel("Outbound network").selectOption("deny");
    await field("Allowed").fill("192.0.2.1");
    await start();
    await page.waitForURL(/\/capsules\/cl-/);
    t.after(() => lab.server.call("DELETE", "/v1/capsules/with-everything"));
    const { body } = await lab.server.call<Record<string, unknown>>("GET", "/v1/capsules/with-everything");
    const { memory_mb, timeout_sec, max_lifetime_sec, on_lifetime_end, user, cwd, metadata } = body;
    assert.deepEqual(
      { memory_mb, timeout_sec, max_lifetime_sec, on_lifetime_end, user, cwd },
      {
        memory_mb: 256,
        timeout_sec: 600,
        max_lifetime_sec: 3600,
        on_lifetime_end: "destroy",
        user: "user",
        cwd: "/tmp",
      },
    );
    const { project, owner } = metadata as Record<string, string>;
    assert.deepEqual([project, owner], ["shop", "ada"]);
    assert.equal((await lab.server.shell(String(body["id"]), 'echo "$GREETING"')).stdout, "hello there\n");
    const policy = await lab.server.call("GET", "/v1/capsules/with-everything/network");
    assert.deepEqual(policy.body, { egress: "deny", allow: ["192.0.2.1"], deny: [] });
    assert.deepEqual(visited.complaints, []);
  },
);

test("addresses that lead nowhere say what is not there, and lead back", { skip }, async () => {
  const visited = await lab.visit("/capsules/cl-0000000000000000000000000");
  const { page } = visited;
  await page.getByRole("alert").getByText("capsule_not_found").waitFor();
  assert.match(await page.getByRole("alert").innerText(), REQUEST_ID);
  await page.getByRole("link", { name: "To the capsules", exact: true }).click();
  await page.getByRole("heading", { name: "Capsules" }).waitFor();

  const id = await lab.server.capsule(undefined, { name: "short-lived" });
  await page.goto(`${lab.server.url}/capsules/short-lived/settings`);
  await page.getByRole("heading", { name: "short-lived" }).waitFor();
  await page.goto(`${lab.server.url}/capsules/${id}/nonsense`);
  await page.getByRole("heading", { name: "A capsule has no such view" }).waitFor();
  await page.getByRole("link", { name: "To its terminal" }).click();
  await page.getByRole("heading", { name: "short-lived" }).waitFor();
  await lab.server.call("DELETE", `/v1/capsules/${id}`);
  await page.getByRole("heading", { name: "This capsule has ended" }).waitFor();
  await page.reload();
  await page.getByRole("heading", { name: "This capsule has ended" }).waitFor();
  await page.goto(`${lab.server.url}/capsules/a/b/c`);
  await page.getByRole("heading", { name: "There is no such page" }).waitFor();
  assert.deepEqual(visited.complaints, []);
});

test(
  "keys have the scopes and the end that were chosen; teams are renamed, and roles and invitations changed",
  { skip },
  async () => {
    await lab.addMember(GRACE);
    const visited = await lab.visit("/keys?new=1");
    const { page } = visited;
    const dialog = page.getByRole("dialog");
    await dialog.getByLabel("Name").fill("to look");
    await dialog.getByRole("checkbox", { name: /^run/ }).uncheck();
    await dialog.getByLabel("It works for").selectOption("7 days");
    await dialog.getByRole("button", { name: "Create" }).click();
    const key = await dialog.locator("code").innerText();
    await dialog.getByRole("button", { name: "Done" }).click();
    const row = page.getByRole("row").filter({ hasText: "to look" });
    assert.match(await row.innerText(), /read\t.*in 7 days/s);
    const made = await fetch(`${lab.server.url}/v1/capsules`, {
      method: "POST",
      headers: { "x-api-key": key },
    });
    assert.equal(made.status, 403);

    await page.getByRole("link", { name: "Team", exact: true }).click();
    await page.getByLabel("Name of the team").fill("The analysts");
    await page.getByRole("button", { name: "Rename" }).click();
    await page.getByRole("button", { name: "Rename" }).and(page.locator(":disabled")).waitFor();
    const [team] = await lab.callAsAdmin<{ readonly name: string }[]>("GET", "/v1/teams");
    assert.equal(team?.name, "The analysts");
    await page.getByLabel("Role of Grace Hopper").selectOption("admin");
    await page.getByLabel("Email of the person to invite").fill("alan@example.org");
    await page.getByRole("button", { name: "Invite" }).click();
    const invitation = page.getByRole("row").filter({ hasText: "alan@example.org" });
    await invitation.getByRole("button", { name: "Withdraw" }).click();
    await invitation.waitFor({ state: "detached" });
    assert.deepEqual(visited.complaints, []);
  },
);

test(
  "what a person may not do any longer is refused with code and remedy, and then not offered",
  { skip },
  async () => {
    const visited = await lab.visitAs(GRACE, "/team");
    const { page } = visited;
    // Logged in to the team of her own.
    await page.getByRole("button", { name: /account, teams and appearance/ }).click();
    await page.getByRole("menuitem", { name: "Go to The analysts" }).click();
    await page.waitForURL(`${lab.server.url}/capsules`);
    await page.getByRole("link", { name: "Team", exact: true }).click();
    await page.getByLabel("Name of the team").fill("Taken over");
    const members = await lab.callAsAdmin<{ readonly user_id: string; readonly email: string }[]>(
      "GET",
      `/v1/teams/${await teamId()}/members`,
    );
    const grace = members.find(({ email }) => email === GRACE.email) ?? assert.fail("no member");
    const path = `/v1/teams/${await teamId()}/members/${grace.user_id}`;
    await withoutEvents(page, async () => await lab.callAsAdmin("PATCH", path, { role: "member" }));
    await page.getByRole("button", { name: "Rename" }).click();
    const notice = page.getByRole("alert").filter({ hasText: "role_missing" });
    await notice.first().getByText(REQUEST_ID).waitFor();
    await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
    await notice.first().getByRole("button", { name: "Copy message, code and request id" }).click();
    const copied = await page.evaluate<string>("navigator.clipboard.readText()");
    assert.match(copied, /^.+\n.+\nCode: role_missing\nRequest: req-[0-9a-f]+$/);
    await page.context().unroute(EVENTS);
    await page.getByRole("button", { name: "Rename" }).waitFor({ state: "detached" });
    assert.deepEqual(visited.complaints, []);
  },
);

test(
  "a server that is gone is shown, and pages go on without a reload when it is back",
  { skip },
  async (t) => {
    const id = await lab.server.capsule(t, { name: "watched" });
    const { hostname: host, port } = new URL(lab.server.url);
    await using proxy = await FaultProxy.start({ target: { host, port: Number(port) } });
    const visited = await lab.visit(`/capsules/${id}/processes`, { origin: proxy.url });
    const { page } = visited;
    const other = await page.context().newPage();
    await other.goto(`${proxy.url}/capsules`);
    await other.getByRole("link", { name: "watched" }).waitFor();
    await page.getByText("No process is running.").waitFor();
    await proxy.refuse();
    for (const one of [page, other]) await one.getByText("No connection to the server").waitFor();
    await lab.server.exec(id, "sleep", ["900"], { background: true, tag: "meanwhile" });
    await lab.server.call("PATCH", `/v1/capsules/${id}`, { name: "renamed-meanwhile" });
    await page.getByRole("button", { name: "Try now" }).click();
    await page.getByText("No connection to the server").waitFor();
    await proxy.resume();
    await other.getByRole("button", { name: "Try now" }).click();
    await other.getByRole("link", { name: "renamed-meanwhile" }).waitFor();
    await page
      .getByRole("button", { name: "Try now" })
      .click({ timeout: 2000 })
      .catch(() => {});
    await page.getByRole("row").filter({ hasText: "meanwhile" }).waitFor();
    await page.getByRole("heading", { name: "renamed-meanwhile" }).waitFor();
    // What is not stored is followed again, too.
    await lab.server.exec(id, "sleep", ["901"], { background: true, tag: "afterwards" });
    await page.getByRole("row").filter({ hasText: "afterwards" }).waitFor();
    for (const one of [page, other])
      assert.equal(await one.getByText("No connection to the server").count(), 0);
    assert.deepEqual(visited.complaints, []);
  },
);

test("a login that ends in the middle leads to the log-in page, and from there back", { skip }, async (t) => {
  const id = await lab.server.capsule(t, { name: "left" });
  const visited = await lab.visit(`/capsules/${id}/logs?source=console`);
  const { page } = visited;
  await page.getByRole("heading", { name: "left" }).waitFor();
  const renewed = page.waitForResponse((response) => response.url().endsWith("/v1/auth/refresh"));
  await page.reload();
  const { token } = (await (await renewed).json()) as { readonly token: string };
  await page.getByRole("heading", { name: "left" }).waitFor();
  await fetch(`${lab.server.url}/v1/auth/logout`, {
    method: "POST",
    headers: { authorization: `Bearer ${token}` },
  });
  await page.waitForURL(/\/login\?next=/, { timeout: 5000 });
  await page.getByLabel("Email").fill(lab.admin.email);
  await page.getByLabel("Password").fill(lab.admin.password);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.waitForURL(`${lab.server.url}/capsules/${id}/logs?source=console`);
  assert.equal(await page.getByLabel("Show").inputValue(), "console");
  assert.deepEqual(visited.complaints, []);
});
