import type { Page } from "playwright-core";
import type { Stage, Viewer } from "./stage.ts";

/** What a picture shows, and how to get there. */
export interface Scene {
  /** Of the picture's file. */
  readonly name: string;
  /** Below apps/dashboard/src/routes, as the folder is called. */
  readonly route: string;
  readonly viewer: Viewer;
  readonly path: (stage: Stage) => string;
  /** Waits until the page shows what the picture is of. */
  readonly ready: (page: Page) => Promise<void>;
  /** Whether the page shows an error, as it should. */
  readonly hasProblem?: true;
  /** Whether it is worth seeing only when the capsules have run for a while. */
  readonly showsHistory?: true;
}

const PROVIDER = "(guest)/auth/[provider]/callback";
/** Of no link. */
const NO_TOKEN = "0".repeat(64);
const CAPSULE = "(team)/capsules/[id]/[[view]]";
/** Lines that a terminal shows work by, and what each of them prints. */
const WORK = [
  ["cd shop && git --no-pager log --oneline", /Sum up invoices/],
  ["ls -l", /index\.html/],
  ["python3 invoices.py", /invoices, median/],
] as const;

const heading = (name: string | RegExp) => async (page: Page) =>
  await page.getByRole("heading", { name }).first().waitFor();
const row = (text: string) => async (page: Page) =>
  await page.getByRole("row").filter({ hasText: text }).first().waitFor();
/** Presses a button when it is there, and waits for the dialog. */
const dialogOf = (button: string) => async (page: Page) => {
  await page.getByRole("button", { name: button }).first().click();
  await page.getByRole("dialog").waitFor();
};
const guest = (name: string, path: string, title: string | RegExp): Scene => ({
  name,
  route: `(guest)${path.replace(/[?#].*/, "")}`,
  viewer: "stranger",
  path: () => path,
  ready: heading(title),
});
const view = (name: string, ready: Scene["ready"]): Scene => ({
  name: `capsule-${name}`,
  route: CAPSULE,
  viewer: "owner",
  path: ({ shop }) => `/capsules/${shop.id}${name === "terminal" ? "" : `/${name}`}`,
  ready,
});
const team = (name: string, ready: Scene["ready"]): Scene => ({
  name,
  route: `(team)/${name}`,
  viewer: "owner",
  path: () => `/${name}`,
  ready,
});

/** Types some work into the terminal in front, once: it is there for the pictures after this one. */
async function work(page: Page): Promise<void> {
  const screen = page.locator(".xterm-rows:visible").last();
  await screen.filter({ hasText: /[#$]/ }).waitFor();
  if (/invoices, median/.test(await screen.innerText())) return;
  for (const [line, printed] of WORK) {
    await page.keyboard.type(`${line}\n`);
    await screen.filter({ hasText: printed }).waitFor();
  }
}

/** Every page of the dashboard, and its dialogs. */
export const scenes: readonly Scene[] = [
  guest("login", "/login", "Log in"),
  guest("signup", "/signup", /./),
  { ...guest("activate", `/activate?token=${NO_TOKEN}`, /./), hasProblem: true },
  guest("forgot-password", "/forgot-password", /./),
  guest("reset-password", `/reset-password?token=${NO_TOKEN}`, /./),
  guest("welcome", `/welcome#${NO_TOKEN}`, "Create the first administrator"),
  { ...guest("provider", "/auth/github/callback?error=no_account", /./), route: PROVIDER, hasProblem: true },
  {
    ...guest("port-sign-in", "/v1/ports/sign-in", /./),
    path: ({ shop }) => `/v1/ports/sign-in?capsule=${shop.id}&port=8000&path=%2F&binding=${"a".repeat(43)}`,
  },
  guest("device", "/device?user_code=BCDF-GHJK", /./),
  {
    name: "program-login",
    route: "(guest)/docs/api/cli",
    viewer: "owner",
    path: () => "/docs/api/cli?next=http%3A%2F%2Flocalhost%3A43117&cliVersion=2.19.0",
    ready: heading("Log in to the command line?"),
  },
  {
    name: "no-such-page",
    route: "+error",
    viewer: "stranger",
    path: () => "/capsules/no/such/page",
    ready: heading(/./),
  },
  {
    name: "capsules-empty",
    route: "(team)/capsules",
    viewer: "newcomer",
    path: () => "/capsules",
    ready: heading("No capsule yet"),
  },
  {
    name: "invitations",
    route: "(team)/invitations",
    viewer: "newcomer",
    path: () => "/invitations",
    ready: row("Analytical Engines"),
  },
  team("capsules", async (page) => await page.getByRole("link", { name: "nightly-report" }).waitFor()),
  { ...team("capsules", dialogOf("Start a capsule")), name: "launch" },
  {
    ...team("capsules", async (page) => {
      await page.getByRole("link", { name: "nightly-report" }).waitFor();
      await page.getByRole("checkbox", { name: "Select web-shop", exact: true }).check();
      await page.getByRole("checkbox", { name: "Select nightly-report" }).check();
    }),
    name: "capsules-selected",
  },
  {
    ...team("capsules", async (page) => {
      await page.getByRole("link", { name: "nightly-report" }).waitFor();
      await page.keyboard.press("Control+k");
      await page.getByRole("dialog").waitFor();
    }),
    name: "palette",
  },
  view("terminal", work),
  view("ports", row("8000")),
  view("processes", async (page) => {
    await row("http.server")(page);
    await page
      .getByRole("row")
      .filter({ hasText: "http.server" })
      .getByRole("button", { name: "Output" })
      .click();
    await page
      .getByText(/GET \/ HTTP/)
      .first()
      .waitFor();
  }),
  view("logs", async (page) => await page.getByRole("log").locator("time").first().waitFor()),
  {
    ...view("metrics", async (page) => {
      await page.locator("canvas").nth(3).waitFor();
      await page.getByLabel("The last").selectOption("5m");
      await page.getByText("Nothing has been measured yet.").waitFor({ state: "detached" });
    }),
    showsHistory: true,
  },
  view("timeline", async (page) => {
    await row("before-the-migration")(page);
    await page.locator("ol > li").nth(4).waitFor();
  }),
  view("network", row("198.51.100.7")),
  view("settings", heading("Details")),
  { ...view("terminal", dialogOf("Commands")), name: "as-a-command" },
  { ...view("settings", dialogOf("Destroy")), name: "confirmation" },
  {
    ...view("terminal", heading("This capsule is paused")),
    name: "capsule-paused",
    path: ({ paused }) => `/capsules/${paused.id}`,
  },
  {
    ...view("terminal", async (page) => await page.getByRole("alert").waitFor()),
    name: "capsule-unknown",
    path: () => "/capsules/no-such-capsule",
    hasProblem: true,
  },
  team("keys", row("continuous integration")),
  { ...team("keys", dialogOf("Create a key")), name: "new-key" },
  team("team", async (page) => {
    await row("Grace Hopper")(page);
    await row("alan@example.org")(page);
  }),
  team("account", heading("Account")),
];
