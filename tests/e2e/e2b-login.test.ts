import assert from "node:assert/strict";
import { chmod, mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { buildDashboard } from "@wrenn/host-setup";
import { readFileIfPresent, reservePort } from "@wrenn/system";
import type { CommandResult } from "@wrenn/system";
import { noBrowser, TestBrowser } from "../support/browser.ts";
import type { VisitedPage } from "../support/browser.ts";
import { E2bMachine, reaches } from "../support/e2b-machine.ts";
import { installPublishedClients } from "../support/published-clients.ts";
import { projectRoot } from "../support/sources.ts";

/*
 * Logins of E2B's command line 2.19.0, the published program, by a real browser. A program in the place of `xdg-open` keeps the address
 * that the command line opens.
 */

const skip = noBrowser;
const admin = { email: "ada@example.org", password: "a password of many words", name: "Ada Lovelace" };
const NAME = "E2B CLI 2.19.0";
const EXPIRED = `x.${Buffer.from(JSON.stringify({ exp: 1 })).toString("base64url")}.x`;

/** What the command line keeps of a login. */
interface StoredLogin {
  readonly identity: { readonly email: string };
  readonly tokens: { readonly access_token: string; readonly refresh_token: string };
  readonly projectId: string;
  readonly projectName: string;
  readonly projectApiKey: string;
}

for (const reach of reaches)
  describe(`logins of E2B's command line, by ${reach}`, { skip }, () => {
    let machine: E2bMachine;
    let browser: TestBrowser;
    let program: string;
    /** Of the administrator, in the dashboard. */
    let token: string;
    let docsBase: string;
    /** Of the program: without a key, and with our `xdg-open`. */
    let env: Readonly<Record<string, string>>;
    let opened: string;
    let stored: string;
    const release = new AsyncDisposableStack();

    before(async () => {
      await buildDashboard({ projectRoot, progress: () => {} });
      ({ cli: program } = await installPublishedClients());
      const [port, securePort] = [await reservePort(systemRandom), await reservePort(systemRandom)];
      machine = release.use(
        await E2bMachine.start({
          port,
          tls: { host: "127.0.0.1", port: securePort },
          // Where there is a domain with TLS, the default is the address below it.
          ...(reach === "plain HTTP" && { publicUrl: `http://127.0.0.1:${port}` }),
        }),
      );
      browser = release.use(await TestBrowser.start({ localNames: [machine.domain.split(":")[0] ?? ""] }));
      const made = await machine.server.call<{ token: string }>("POST", "/v1/auth/bootstrap", {
        token: machine.server.server.firstAdminToken,
        ...admin,
      });
      ({ token } = made.body);
      const bin = join(machine.home, "bin");
      [opened, stored] = [join(machine.home, "opened"), join(machine.home, ".e2b/config.json")];
      await mkdir(bin);
      await writeFile(
        join(bin, "xdg-open"),
        `#!/bin/sh\nprintf %s "$1" > ${opened}.new\nmv ${opened}.new ${opened}\n`,
      );
      await chmod(join(bin, "xdg-open"), 0o755);
      docsBase = reach === "plain HTTP" ? `${machine.server.url}/docs` : `https://${machine.domain}/docs`;
      env = {
        PATH: `${bin}:${machine.variables(reach)["PATH"]}`,
        E2B_API_KEY: "",
        ...(reach === "plain HTTP" && { E2B_DOCS_BASE: docsBase }),
      };
    });
    after(() => release.disposeAsync());

    const run = async (...args: string[]): Promise<CommandResult> =>
      await machine.run(reach, program, args, { env });
    const printed = async (...args: string[]): Promise<string> => {
      const { code, stdout, stderr } = await run(...args);
      assert.equal(code, 0, stdout + stderr);
      return stdout;
    };
    const login = async (): Promise<StoredLogin> => JSON.parse(await readFile(stored, "utf8")) as StoredLogin;

    /** A request of the administrator's. */
    async function asAdmin<T>(method: string, path: string, body?: object): Promise<T> {
      const answer = await fetch(machine.server.url + path, {
        method,
        headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
        ...(body && { body: JSON.stringify(body) }),
      });
      assert.ok(answer.ok, `${method} ${path}: ${answer.status}`);
      return (await answer.json()) as T;
    }
    const sessionNames = async (): Promise<readonly string[]> =>
      (await asAdmin<{ device?: string }[]>("GET", "/v1/me/sessions")).flatMap(({ device }) => device ?? []);
    const keyNames = async (): Promise<readonly string[]> =>
      (await asAdmin<{ name: string }[]>("GET", "/v1/api-keys")).map(({ name }) => name);
    const statusOf = async (key: string): Promise<number> =>
      (await fetch(`${machine.server.url}/v2/sandboxes`, { headers: { "x-api-key": key } })).status;

    /** Begins `auth login`, and visits the address that it opens. */
    async function begin(): Promise<{
      readonly running: Promise<CommandResult>;
      readonly visited: VisitedPage;
    }> {
      await rm(opened, { force: true });
      const running = run("auth", "login");
      running.catch(() => undefined);
      const address = await eventually("the browser is opened", async () => await readFileIfPresent(opened), {
        timeoutMs: 30_000,
      });
      const { origin, pathname, searchParams } = new URL(address);
      assert.equal(origin + pathname, `${docsBase}/api/cli`);
      assert.match(searchParams.get("next") ?? "", /^http:\/\/localhost:\d+$/);
      return { running, visited: await browser.visit(address, { ignoreHTTPSErrors: true }) };
    }

    async function logIn({ page }: VisitedPage): Promise<void> {
      await page.waitForURL(/\/login\?next=/);
      await page.getByLabel("Email").fill(admin.email);
      await page.getByLabel("Password").fill(admin.password);
      await page.getByRole("button", { name: "Log in", exact: true }).click();
      await page.getByRole("heading", { name: "Log in to the command line?" }).waitFor();
    }

    test("a person who denies leaves the program without a login", async () => {
      const { running, visited } = await begin();
      await logIn(visited);
      await visited.page.getByRole("button", { name: "Deny" }).click();
      await visited.page.getByRole("heading", { name: "You are not logged in" }).waitFor();
      const { code, stdout, stderr } = await running;
      assert.notEqual(code, 0);
      assert.match(stdout + stderr, /access_denied/);
      assert.equal(await readFileIfPresent(stored), undefined);
      assert.deepEqual(await sessionNames(), []);
      assert.deepEqual(visited.complaints, []);
    });

    test("a person logs in, sees what asks and where the login goes, and approves it", async () => {
      const { running, visited } = await begin();
      const { page } = visited;
      await logIn(visited);
      const next = new URL(page.url()).searchParams.get("next") ?? "";
      const facts = page.locator("dl");
      const [team] = await asAdmin<{ name: string }[]>("GET", "/v1/teams");
      await facts.getByText(team?.name ?? "a team", { exact: true }).waitFor();
      const shown = await facts.innerText();
      for (const part of [NAME, `${next}/`, admin.email])
        assert.ok(shown.includes(part), `${part}: ${shown}`);
      assert.deepEqual(await sessionNames(), [], "nothing happens before the person decides");
      await page.getByRole("button", { name: "Approve" }).click();
      await page.getByRole("heading", { name: "You are logged in" }).waitFor();
      assert.doesNotMatch(
        page.url(),
        /[Tt]oken/,
        "the program has led the browser away from the address with tokens",
      );
      const { code, stdout, stderr } = await running;
      assert.equal(code, 0, stdout + stderr);
      assert.match(stdout, /Logged in as .*ada@example\.org/);
      assert.deepEqual(visited.complaints, []);
      assert.deepEqual([await sessionNames(), (await keyNames()).includes(NAME)], [[NAME], true]);
    });

    test("the key of the login works for the program's other commands", async () => {
      assert.match(await printed("sandbox", "list"), /No sandboxes/i);
      assert.match(await printed("auth", "info"), /ada@example\.org[^]*Selected project/);
      assert.match(await printed("auth", "login"), /Already logged in/);
    });

    test("another team is chosen, after a renewal of the tokens", async () => {
      const { id } = await asAdmin<{ id: string }>("POST", "/v1/teams", { name: "Other team" });
      const earlier = await login();
      await writeFile(
        stored,
        JSON.stringify({ ...earlier, tokens: { ...earlier.tokens, access_token: EXPIRED } }),
      );
      const terminal = machine.terminal(reach, program, ["auth", "configure"]);
      try {
        await terminal.shows("Other team", 60_000);
        // The selected project is the first in the list.
        terminal.type("\u001B[B");
        await terminal.shows(/❯ .*Other team|\u00E2\u009D\u00AF .*Other team/);
        terminal.type("\r");
        assert.equal((await terminal.ended).code, 0, terminal.output);
      } finally {
        terminal.close();
      }
      const now = await login();
      assert.deepEqual([now.projectId, now.projectName], [id, "Other team"]);
      assert.notEqual(now.tokens.refresh_token, earlier.tokens.refresh_token);
      assert.notEqual(now.tokens.access_token, EXPIRED);
      assert.deepEqual(
        [await statusOf(now.projectApiKey), await statusOf(earlier.projectApiKey)],
        [200, 200],
        "the key of each team works",
      );
      assert.match(await printed("sandbox", "list"), /No sandboxes/i);
      assert.deepEqual(await sessionNames(), [NAME], "it is the same login");
    });

    test("a log-out ends the login and its keys", async () => {
      const { projectApiKey: key, tokens } = await login();
      assert.match(await printed("auth", "logout"), /Logged out/);
      assert.equal(await readFileIfPresent(stored), undefined);
      assert.deepEqual(await sessionNames(), []);
      assert.ok(!(await keyNames()).includes(NAME));
      await eventually("the key is refused", async () => (await statusOf(key)) === 401);
      const teams = await fetch(`${machine.server.url}/teams`, {
        headers: { authorization: `Bearer ${tokens.access_token}` },
      });
      assert.equal(teams.status, 401);
      assert.match(await printed("auth", "info"), /Not logged in/);
    });

    test("an address of another machine is refused, also for a person who is logged in", async () => {
      const query = new URLSearchParams({ next: "http://localhost.example.org:4711", cliVersion: "2.19.0" });
      const { page } = await browser.visit(`${docsBase}/api/cli?${query.toString()}`, {
        ignoreHTTPSErrors: true,
      });
      await page.getByRole("heading", { name: "This address is refused" }).waitFor();
      assert.equal(await page.getByRole("button", { name: "Approve" }).count(), 0);
      const after = `/docs/api/cli?${query.toString()}`;
      await page.goto(`${new URL(docsBase).origin}/login?next=${encodeURIComponent(after)}`);
      await page.getByLabel("Email").fill(admin.email);
      await page.getByLabel("Password").fill(admin.password);
      await page.getByRole("button", { name: "Log in", exact: true }).click();
      await page.getByRole("heading", { name: "This address is refused" }).waitFor();
    });
  });
