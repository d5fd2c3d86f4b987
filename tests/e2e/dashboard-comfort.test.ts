/* Drawn: apps/dashboard/test shows its parts. */
import assert from "node:assert/strict";
import { mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { execFile } from "node:child_process";
import type { Page } from "playwright-core";
import { noBrowser } from "../support/browser.ts";
import { DashboardLab } from "../support/dashboard-lab.ts";
import { programEnvironment } from "../support/program-environment.ts";
import { projectRoot } from "../support/sources.ts";

/* The keyboard, phones, pages over plain HTTP, and the commands that pages show. */

const skip = noBrowser;
const run = promisify(execFile);
const NAME = "wrenn.test";
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true };
const VIEWS = ["", "/ports", "/processes", "/logs", "/metrics", "/timeline", "/network", "/settings"];

let lab: DashboardLab;
let id: string;
before(async () => {
  if (skip !== false) return;
  lab = await DashboardLab.open({ localNames: [NAME] });
  id = await lab.server.capsule(undefined, { name: "handy", metadata: { project: "shop" } });
  await lab.server.exec(id, "python3", ["-m", "http.server", "8000"], { background: true });
});
after(() => lab?.[Symbol.asyncDispose]());

const focused = async (page: Page): Promise<string> =>
  await page.evaluate<string>(
    '(document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent ?? "").trim()',
  );

test("palette, menus and dialogs are used by the keyboard, and give the focus back", { skip }, async () => {
  const visited = await lab.visit("/capsules");
  const { page } = visited;
  await page.getByRole("link", { name: "handy" }).waitFor();
  await visited.tabTo("Start a capsule");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").waitFor();
  await page.waitForURL(/start=1/);
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await focused(page), "Start a capsule");
  await visited.tabTo("Actions for handy");
  await page.keyboard.press("Enter");
  await page.getByRole("menu").waitFor();
  await page.keyboard.press("End");
  await page.keyboard.press("Enter");
  await page.getByRole("dialog").getByText("Destroy handy?").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await focused(page), "Actions for handy");
  await page.keyboard.press("Control+k");
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  assert.equal(await focused(page), "Actions for handy");
  await page.keyboard.press("Control+k");
  await page.keyboard.type("handy");
  await page.getByRole("option", { name: "handy" }).waitFor();
  await page.keyboard.press("Enter");
  await page.waitForURL(`${lab.server.url}/capsules/${id}`);
  assert.deepEqual(visited.complaints, []);
});

test("on a phone no page is wider than the screen, and everything is in reach", { skip }, async () => {
  const visited = await lab.visit("/capsules", PHONE);
  const { page } = visited;
  const paths = [
    "/capsules",
    "/capsules?start=1",
    ...VIEWS.map((view) => `/capsules/${id}${view}`),
    "/keys",
    "/keys?new=1",
    "/team",
    "/account",
    "/invitations",
  ];
  for (const path of paths) {
    await page.goto(`${lab.server.url}${path}`);
    await page.getByRole("heading").first().waitFor();
    const width = await page.evaluate<number>("document.documentElement.scrollWidth");
    assert.ok(width <= PHONE.viewport.width, `${path} is ${width} wide`);
    if (path.includes("?")) {
      const box = await page.getByRole("dialog").boundingBox();
      assert.ok(
        box && box.x >= 0 && box.x + box.width <= PHONE.viewport.width,
        `${path}: ${JSON.stringify(box)}`,
      );
    }
  }
  await page.goto(`${lab.server.url}/capsules`);
  const search = await page.getByLabel("Search capsules").boundingBox();
  assert.ok((search?.width ?? 0) > 300, "there is room to type");
  assert.deepEqual(visited.complaints, []);
});

test("over plain HTTP pages load again, and texts are copied", { skip }, async () => {
  const origin = `http://${NAME}:${new URL(lab.server.url).port}`;
  const visited = await lab.visit(`/capsules/${id}/settings`, { origin });
  const { page } = visited;
  await page.reload();
  await page.getByRole("heading", { name: "handy" }).waitFor();
  assert.equal(await page.evaluate("isSecureContext"), false);
  await page.getByRole("button", { name: "Copy the id" }).click();
  await page.getByRole("button", { name: "Copied" }).waitFor();
  const search = page.getByLabel("Name", { exact: true });
  await search.fill("");
  await page.keyboard.press("Control+v");
  assert.equal(await search.inputValue(), id);
  // Where the browser refuses that, too, the text is shown.
  await page.evaluate("document.execCommand = () => false");
  await page.getByRole("button", { name: "Commands" }).click();
  await page.getByRole("button", { name: "Copy: Inspect it, wrenn" }).click();
  const shown = page.getByLabel("The text, to copy by hand");
  assert.equal(await shown.inputValue(), `wrenn inspect ${id}`);
  assert.deepEqual(visited.complaints, []);
});

test("the commands that pages show do what they say", { skip }, async (t) => {
  const visited = await lab.visit(`/capsules/${id}`);
  const { page } = visited;
  const directory = await mkdtemp("/tmp/wrenn-commands-");
  t.after(() => rm(directory, { recursive: true }));
  await symlink(join(projectRoot, "node_modules"), join(directory, "node_modules"));
  const server = { WRENN_URL: lab.server.url, WRENN_API_KEY: lab.server.apiKey, WRENN_DATA_DIR: directory };
  const env = programEnvironment(directory, server);
  let scripts = 0;
  const commandsOf = async (view: string): Promise<readonly string[]> => {
    await page.goto(`${lab.server.url}/capsules/${id}${view}`);
    await page.getByRole("button", { name: "Commands" }).click();
    const texts = await page.getByRole("dialog").locator("code").allInnerTexts();
    return texts.slice(1);
  };
  const carryOut = async (text: string): Promise<string> => {
    if (text.startsWith("import ")) {
      const file = join(directory, `${(scripts += 1)}.ts`);
      await writeFile(file, text);
      return (await run(process.execPath, [file], { env, cwd: directory })).stdout;
    }
    const client = `wrenn() { ${join(projectRoot, "wrenn")} "$@"; }; curl() { command curl -sS --fail-with-body "$@"; };`;
    return (await run("bash", ["-c", `${client} ${text}`], { env, cwd: directory })).stdout;
  };
  const outputs: string[] = [];
  let checkpoint = "";
  for (const view of VIEWS)
    for (const text of await commandsOf(view)) {
      // Each of curl; few of the others, whose programs start slowly.
      const isCurl = text.startsWith("curl");
      if (/\/pause"|DELETE| (?:pause|rm) |\.(?:pause|destroy)\(/.test(text)) continue;
      if (!isCurl && !["", "/ports"].includes(view)) continue;
      if (!isCurl && view === "/ports" && !/ public$|"public"\)/.test(text)) continue;
      outputs.push(await carryOut(text.replace("/checkpoints/g1/", `/checkpoints/${checkpoint}/`)));
      checkpoint = /"id":"(g\d+)"/.exec(outputs.at(-1) ?? "")?.[1] ?? checkpoint;
    }
  assert.equal(outputs.filter((output) => output.startsWith("Linux ")).length, 2, outputs.join("\n"));
  const { body } = await lab.server.call<{ port: number; access: string }[]>(
    "GET",
    `/v1/capsules/${id}/ports`,
  );
  assert.deepEqual(
    body.map(({ port, access }) => [port, access]),
    [[8000, "private"]],
  );
  const own = (await commandsOf("/settings")).find((text) => text.startsWith("curl"));
  assert.match(own ?? "", /^curl -X PATCH "\$WRENN_URL\/v1\/capsules\/cl-/);
  const { body: capsule } = await lab.server.call<{ metadata: object }>("GET", `/v1/capsules/${id}`);
  assert.partialDeepStrictEqual(capsule.metadata, { stage: "test" });

  // What a filled form would start.
  await page.goto(`${lab.server.url}/capsules?start=1`);
  const dialog = page.getByRole("dialog");
  await dialog.getByLabel("Name", { exact: true }).fill("by-command");
  await dialog.getByText("More options").click();
  await dialog.getByLabel("Environment").fill("GREETING=it's $HOME");
  await dialog.getByText("Commands").click();
  const [cli = "", curl = "", typescript = ""] = await dialog.locator("code").allInnerTexts();
  for (const text of [cli, curl, typescript]) {
    await carryOut(text);
    const { stdout } = await lab.server.shell("by-command", 'echo "$GREETING"');
    assert.equal(stdout, "it's $HOME\n", text);
    await lab.server.call("DELETE", "/v1/capsules/by-command");
  }
  assert.deepEqual(visited.complaints, []);
});
