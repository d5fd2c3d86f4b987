import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { noBrowser } from "../support/browser.ts";
import { DashboardLab, terminalShows } from "../support/dashboard-lab.ts";

/* The page of a capsule: what each of its views shows and does, on a real one. */

const skip = noBrowser;
/** Of a shell, also above what programs in the background print. */
const PROMPT = /[#$] /;

let lab: DashboardLab;
let id: string;
before(async () => {
  if (skip !== false) return;
  lab = await DashboardLab.open();
  id = await lab.server.capsule(undefined, { name: "viewed" });
});
after(() => lab?.[Symbol.asyncDispose]());

test(
  "a server that is started in the terminal is on the web by one button, in another profile",
  { skip },
  async () => {
    const visited = await lab.visit(`/capsules/${id}`);
    const { page } = visited;
    await terminalShows(visited, PROMPT);
    await page.keyboard.type("echo hello from a capsule > index.html; python3 -m http.server 8000 &\n");
    const notice = page.getByRole("status").filter({ hasText: "listens on port 8000" });
    await notice.getByText("your team can open it").waitFor();
    assert.match((await notice.getByRole("link").getAttribute("href")) ?? "", /\/\/8000-/);
    await notice.getByRole("button", { name: "Dismiss" }).click();
    await page.getByRole("link", { name: "Ports" }).click();
    const row = page.getByRole("row").filter({ hasText: "8000" });
    await row.waitFor();
    const stranger = await lab.browser.visit("about:blank");
    const address = (await row.getByRole("link").getAttribute("href")) ?? assert.fail("no address");
    await row.getByRole("button", { name: "Make public" }).click();
    await row.getByText("Public", { exact: true }).waitFor();
    await stranger.page.goto(address);
    assert.match((await stranger.page.textContent("body")) ?? "", /hello from a capsule/);

    await row.getByRole("button", { name: "Make private" }).click();
    await row.getByText("Team", { exact: true }).waitFor();
    await row.getByRole("button", { name: "Create link (1 h)" }).click();
    const link = await page.getByRole("status").locator(".font-mono").innerText();
    await stranger.page.goto(link);
    assert.match((await stranger.page.textContent("body")) ?? "", /hello from a capsule/);
    await page.getByRole("button", { name: "Revoke" }).click();
    await page.getByText("No active links.").waitFor();
    assert.deepEqual(visited.complaints, []);
  },
);

test("processes are started, read and ended; the list follows what others start", { skip }, async () => {
  const visited = await lab.visit(`/capsules/${id}/processes`);
  const { page } = visited;
  await page.getByLabel("Command line to start").fill("for i in 1 2 3; do echo line-$i; done; sleep 600");
  await page.getByRole("button", { name: "Start", exact: true }).click();
  await page.getByText("line-3", { exact: false }).first().waitFor();
  await lab.server.exec(id, "sleep", ["900"], { background: true, tag: "from-elsewhere" });
  const other = page.getByRole("row").filter({ hasText: "from-elsewhere" });
  await other.waitFor();
  await other.getByRole("button", { name: "Kill" }).click();
  await other.waitFor({ state: "detached" });
  assert.deepEqual(visited.complaints, []);
});

test(
  "logs follow, metrics are drawn, a network policy holds at once, and settings show",
  { skip },
  async () => {
    const visited = await lab.visit(`/capsules/${id}/logs`);
    const { page } = visited;
    await lab.server.shell(id, "echo a-line-of-the-console > /dev/console");
    await page.getByText("a-line-of-the-console").waitFor();

    await page.getByRole("link", { name: "Metrics" }).click();
    await page.getByText("Processors").waitFor();
    assert.equal(await page.locator("canvas").count(), 4);

    await page.getByRole("link", { name: "Network" }).click();
    await page.getByLabel("Everything that is not listed is").selectOption("deny");
    await page.getByLabel(/^Allowed/).fill("192.0.2.1 example.org");
    const applied = page.waitForResponse((response) => response.request().method() === "PUT");
    await page.getByRole("button", { name: "Apply" }).click();
    await applied;
    await lab.server.shell(
      id,
      "timeout 15 python3 -c \"import socket; socket.create_connection(('198.51.100.9', 80), 1)\"",
    );
    await page.getByRole("row").filter({ hasText: "198.51.100.9" }).getByText("denied").first().waitFor();

    await page.getByRole("link", { name: "Settings" }).click();
    await page.getByLabel("Metadata").fill("stage=test\nnote=two words");
    await page.getByLabel("Name", { exact: true }).fill("renamed");
    // What somebody else changes meanwhile is not undone by what is saved here.
    await lab.server.call("PATCH", `/v1/capsules/${id}`, { timeout_sec: 1800 });
    await page.getByRole("button", { name: "Save" }).click();
    await page.getByRole("heading", { name: "renamed" }).waitFor();
    const saved = await lab.server.call<{ metadata: Record<string, string>; timeout_sec: number }>(
      "GET",
      `/v1/capsules/${id}`,
    );
    assert.equal(saved.body.timeout_sec, 1800);
    assert.deepEqual([saved.body.metadata["stage"], saved.body.metadata["note"]], ["test", "two words"]);
    assert.deepEqual(visited.complaints, []);
  },
);

test("one click goes back to a moment, and one forks the present", { skip }, async () => {
  const visited = await lab.visit(`/capsules/${id}/timeline`);
  const { page } = visited;
  await lab.server.shell(id, "echo before > /dev/shm/when");
  await page.getByLabel("Name of the checkpoint").fill("before");
  await page.getByRole("button", { name: "Create checkpoint" }).click();
  const row = page.getByRole("row").filter({ hasText: "before" });
  await row.waitFor();
  await lab.server.shell(id, "echo after > /dev/shm/when");
  await row.getByRole("button", { name: "Restore" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Restore" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal((await lab.server.shell(id, "cat /dev/shm/when")).stdout, "before\n");
  await page.getByText("Checkpoint restored: before").first().waitFor();
  await page.getByText("Checkpoint created: before").first().waitFor();
  await page.getByRole("button", { name: "Fork from now" }).click();
  await page.waitForURL((url) => url.pathname.startsWith("/capsules/cl-") && !url.pathname.includes(id));
  await terminalShows(visited, PROMPT);
  await page.keyboard.type("cat /dev/shm/when\n");
  await terminalShows(visited, /before/);
  assert.deepEqual(visited.complaints, []);
});

test(
  "a paused capsule says so, resumes on request, and its terminal goes on where it stood",
  { skip },
  async () => {
    const visited = await lab.visit(`/capsules/${id}`);
    const { page } = visited;
    await terminalShows(visited, PROMPT);
    await page.keyboard.type("echo typed-before-$((1+1))\n");
    await terminalShows(visited, /typed-before-2/);
    await page.getByRole("button", { name: "Pause" }).click();
    await page.getByRole("heading", { name: "This capsule is paused" }).waitFor();
    await page.getByRole("button", { name: "Resume" }).last().click();
    await terminalShows(visited, /typed-before-2/);
    await page.keyboard.type("echo typed-after-$((1+1))\n");
    await terminalShows(visited, /typed-after-2/);
    assert.deepEqual(visited.complaints, []);
  },
);

test(
  "two terminals stand side by side; closing one that runs asks, and does not end it",
  { skip },
  async () => {
    const visited = await lab.visit(`/capsules/${id}`);
    const { page } = visited;
    await terminalShows(visited, PROMPT);
    const tabs = page.getByRole("list", { name: "Terminals" }).getByRole("listitem");
    const before = await tabs.count();
    await page.getByRole("button", { name: "New terminal" }).click();
    await terminalShows(visited, PROMPT);
    await page.keyboard.type("echo the-$((40+2))-new-one\n");
    await terminalShows(visited, /the-42-new-one/);
    await page.getByRole("button", { name: "Split" }).click();
    assert.equal(await page.locator(".xterm-rows:visible").count(), 2);
    await page.getByRole("button", { name: "One" }).click();
    await tabs.last().getByRole("button").first().click();
    await page
      .getByRole("button", { name: /^Close / })
      .last()
      .click();
    await page.getByRole("dialog").getByRole("button", { name: "Close the tab" }).click();
    assert.equal(await tabs.count(), before);
    await page.reload();
    await tabs.nth(before).getByRole("button").first().click();
    await terminalShows(visited, /the-42-new-one/);
    assert.deepEqual(visited.complaints, []);
  },
);
