import { eventually } from "@wrenn/core/testing";
import { buildDashboard } from "@wrenn/host-setup";
import type { ServerConfig } from "@wrenn/server";
import type { BrowserContextOptions } from "playwright-core";
import { TestBrowser } from "./browser.ts";
import type { TestBrowserOptions, VisitedPage } from "./browser.ts";
import { projectRoot } from "./sources.ts";
import { startTestServer } from "./test-server.ts";
import type { TestServer } from "./test-server.ts";

const PASSWORD = "a password of many words";

export interface LabPerson {
  readonly email: string;
  readonly password: string;
  readonly name: string;
}

export interface LabVisitOptions extends BrowserContextOptions {
  /** How the browser reaches the server; by its address when absent. */
  readonly origin?: string;
}

export interface DashboardLabOptions extends TestBrowserOptions {
  readonly config?: Partial<ServerConfig>;
}

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

  /** @param config - of the server; the rest is of the browser. */
  static async open({ config = {}, ...options }: DashboardLabOptions = {}): Promise<DashboardLab> {
    await buildDashboard({ projectRoot, progress: () => {} });
    const server = await startTestServer({ config });
    const lab = new DashboardLab(server, await TestBrowser.start(options));
    const token = server.server.firstAdminToken;
    const made = await server.call<{ token: string }>("POST", "/v1/auth/bootstrap", { token, ...lab.admin });
    lab.#token = made.body.token;
    return lab;
  }

  /** The administrator's access token. */
  get token(): string {
    return this.#token;
  }

  /** A call of the administrator's. */
  async callAsAdmin<Body>(method: string, path: string, body?: object): Promise<Body> {
    return await this.#callAs<Body>(this.#token, method, path, body);
  }

  /** Signs a person up, who joins the administrator's team. @returns their access token. */
  async addMember(person: LabPerson, role: "admin" | "member" = "member"): Promise<string> {
    const { email, password } = person;
    const [team] = await this.callAsAdmin<{ readonly id: string }[]>("GET", "/v1/teams");
    await this.callAsAdmin("POST", `/v1/teams/${team?.id}/invitations`, { email, role });
    await this.server.call("POST", "/v1/auth/signup", person);
    // The mail is written when the answer has been sent.
    const activation = await eventually("the mail that activates an account", async () => {
      const mails = await this.callAsAdmin<{ readonly to: string; readonly link?: string }[]>(
        "GET",
        "/v1/admin/mails",
      );
      const links = mails.flatMap(({ to, link }) => (to === email && link ? [new URL(link)] : []));
      return links.map(({ searchParams }) => searchParams.get("token")).find((token) => token !== null);
    });
    const { body } = await this.server.call<{ token: string }>("POST", "/v1/auth/activate", {
      token: activation,
      password,
    });
    const invitations = await this.#callAs<{ readonly id: string }[]>(body.token, "GET", "/v1/invitations");
    await this.#callAs(body.token, "POST", `/v1/invitations/${invitations[0]?.id}/accept`);
    const joined = await this.#callAs<{ token: string }>(body.token, "POST", "/v1/auth/switch-team", {
      team_id: team?.id,
    });
    return joined.token;
  }

  async #callAs<Body>(token: string, method: string, path: string, body?: object): Promise<Body> {
    const answer = await fetch(`${this.server.url}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
      ...(body && { body: JSON.stringify(body) }),
    });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
    return (text === "" ? undefined : JSON.parse(text)) as Body;
  }

  /** A page in a profile of its own, logged in. */
  async visit(path: string, options: LabVisitOptions = {}): Promise<VisitedPage> {
    const { email, password } = this.admin;
    return await this.visitAs({ email, password }, path, options);
  }

  async visitAs(
    { email, password }: { readonly email: string; readonly password: string },
    path: string,
    { origin = this.server.url, ...options }: LabVisitOptions = {},
  ): Promise<VisitedPage> {
    const visited = await this.browser.visit(`${origin}/login?next=${encodeURIComponent(path)}`, options);
    const { page } = visited;
    await page.getByLabel("Email").fill(email);
    await page.getByLabel("Password").fill(password);
    await page.getByRole("button", { name: "Log in" }).click();
    await page.waitForURL(`${origin}${path}`);
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
      timeoutMs: 60_000,
      details: () => last,
    },
  );
}

/** What a page may do that is visited with them: read and write the clipboard. */
export const CLIPBOARD: BrowserContextOptions = { permissions: ["clipboard-read", "clipboard-write"] };

export async function setClipboard({ page }: VisitedPage, text: string): Promise<void> {
  await page.evaluate(`navigator.clipboard.writeText(${JSON.stringify(text)})`);
}

export async function clipboardOf({ page }: VisitedPage): Promise<string> {
  return await page.evaluate<string>("navigator.clipboard.readText()");
}
