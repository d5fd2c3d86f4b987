import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { noBrowser } from "../support/browser.ts";
import { DashboardLab } from "../support/dashboard-lab.ts";

/* Parts of the list that are made when they are reached. */

const skip = noBrowser;

let lab: DashboardLab;
before(async () => {
  if (skip !== false) return;
  lab = await DashboardLab.open();
  await lab.server.capsule(undefined, { name: "listed" });
});
after(() => lab?.[Symbol.asyncDispose]());

test("the menu of a row opens by keys, by the mouse and by a touch", { skip }, async () => {
  const visited = await lab.visit("/capsules");
  const { page } = visited;
  const actions = page.getByRole("button", { name: "Actions for listed" });
  const destroy = page.getByRole("menuitem", { name: "Destroy …" });
  await actions.waitFor();
  await visited.tabTo("Actions for listed");
  await page.keyboard.press("Enter");
  await destroy.waitFor();
  await page.keyboard.press("Escape");
  await destroy.waitFor({ state: "detached" });
  assert.equal(
    await page.evaluate("document.activeElement.getAttribute('aria-label')"),
    "Actions for listed",
  );
  await page.reload();
  await actions.click();
  await destroy.waitFor();
  assert.deepEqual(visited.complaints, []);

  const touched = await lab.visit("/capsules", { hasTouch: true });
  await touched.page.getByRole("button", { name: "Actions for listed" }).tap();
  await touched.page.getByRole("menuitem", { name: "Destroy …" }).click();
  await touched.page.getByRole("dialog").getByText("Destroy listed?").waitFor();
  assert.deepEqual(touched.complaints, []);
});

test("the palette opens by its keys again and again, and leads to a capsule", { skip }, async () => {
  const visited = await lab.visit("/capsules");
  const { page } = visited;
  await page.getByRole("button", { name: "Actions for listed" }).waitFor();
  for (const ends of ["Escape", "Enter"]) {
    await page.keyboard.press("Control+k");
    const field = page.getByPlaceholder("A capsule, a page, or something to do");
    await field.waitFor();
    await field.fill("listed");
    await page.getByRole("option", { name: "listed" }).waitFor();
    await page.keyboard.press(ends);
    await field.waitFor({ state: "detached" });
  }
  await page.waitForURL(/\/capsules\/cl-/);
  assert.deepEqual(visited.complaints, []);
});
