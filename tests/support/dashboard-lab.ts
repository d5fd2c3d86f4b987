import { eventually } from "@wrenn/core/testing";
import { buildDashboard } from "@wrenn/host-setup";
import type { BrowserContextOptions } from "playwright-core";
import { TestBrowser } from "./browser.ts";
import type { VisitedPage } from "./browser.ts";
import { projectRoot } from "./sources.ts";
import { startTestServer } from "./test-server.ts";
import type { TestServer } from "./test-server.ts";

const PASSWORD = "a password of many words";

/** A server with its dashboard, a browser, and an administrator who is logged in where a test wants it. */
export class DashboardLab implements AsyncDisposable {
  readonly server: TestServer;
  readonly browser: TestBrowser;
  readonly admin = { email: "ada@example.org", password: PASSWORD, name: "Ada Lovelace" };
  #token = "";

  private constructor(server: TestServer, browser: TestBrowser) {
    this.server = server;
    this.browser = browser;
  }

  /** @param drawsByWebgl - without it the text of terminals can be read. */
  static async open({ drawsByWebgl = false } = {}): Promise<DashboardLab> {
    await buildDashboard({ projectRoot, progress: () => {} });
    const server = await startTestServer();
    const lab = new DashboardLab(server, await TestBrowser.start({ drawsByWebgl }));
    const token = server.server.firstAdminToken;
    const made = await server.call<{ token: string }>("POST", "/v1/auth/bootstrap", { token, ...lab.admin });
    lab.#token = made.body.token;
    return lab;
  }

  /** The administrator's access token. */
  get token(): string {
    return this.#token;
  }

  /** A page in a profile of its own, logged in. */
  async visit(path: string, options: BrowserContextOptions = {}): Promise<VisitedPage> {
    const { email, password } = this.admin;
    return await this.visitAs({ email, password }, path, options);
  }

  async visitAs(
    { email, password }: { readonly email: string; readonly password: string },
    path: string,
    options: BrowserContextOptions = {},
  ): Promise<VisitedPage> {
    const visited = await this.browser.visit(
      `${this.server.url}/login?next=${encodeURIComponent(path)}`,
      options,
    );
    const { page } = visited;
    await page.getByLabel("Email").fill(email);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.waitForURL(`${this.server.url}${path}`);
    return visited;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.browser[Symbol.asyncDispose]();
    await this.server.close();
  }
}

/** What the visible terminal shows. */
export async function terminalText({ page }: VisitedPage): Promise<string> {
  return await page.locator(".xterm-rows:visible").last().innerText();
}

export async function terminalShows(visited: VisitedPage, text: RegExp): Promise<void> {
  let last = "";
  await eventually(
    `the terminal shows ${text}`,
    async () => text.test((last = await terminalText(visited).catch(String))),
    {
      timeoutMs: 30_000,
      details: () => last,
    },
  );
}
