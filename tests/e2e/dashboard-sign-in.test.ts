/* Drawn: packages/control-plane/test/sign-in.test.ts shows the same without a browser. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { FakeProvider } from "@wrenn/control-plane/testing";
import { systemRandom } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { reservePort } from "@wrenn/system";
import { noBrowser } from "../support/browser.ts";
import type { VisitedPage } from "../support/browser.ts";
import { DashboardLab } from "../support/dashboard-lab.ts";

/* The ways into the dashboard and through it: devices, private ports, providers, links of programs, and the list of logins. */

const skip = noBrowser;
let lab: DashboardLab;
let provider: FakeProvider;
/** As people reach the server: another site than the provider, and the domain of ports. */
let url: string;
before(async () => {
  if (skip !== false) return;
  provider = await FakeProvider.start();
  const port = await reservePort(systemRandom);
  url = `http://localhost:${port}`;
  const { issuer, client } = provider;
  const signIn = { oidc: { issuer, clientId: client.id, clientSecret: client.secret } };
  lab = await DashboardLab.open({ config: { port, publicUrl: url, signIn, signUpMode: "open" } });
});
after(async () => {
  await lab?.[Symbol.asyncDispose]();
  await provider?.[Symbol.asyncDispose]();
});

async function logIn({ page }: VisitedPage): Promise<void> {
  await page.getByLabel("Email").fill(lab.admin.email);
  await page.getByLabel("Password").fill(lab.admin.password);
  await page.getByRole("button", { name: "Log in", exact: true }).click();
}

/** The administrator's request. */
async function asAdmin<T>(method: string, path: string, body?: object): Promise<T> {
  const answer = await fetch(new URL(path, url), {
    method,
    headers: {
      authorization: `Bearer ${lab.token}`,
      ...(body && { "content-type": "application/json" }),
    },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${text}`);
  return (text === "" ? undefined : JSON.parse(text)) as T;
}

interface BegunDevice {
  readonly device_code: string;
  readonly user_code: string;
  readonly verification_uri_complete: string;
}

/** A device that waits for a person. */
async function begin(body: object): Promise<BegunDevice> {
  return (await lab.server.call<BegunDevice>("POST", "/v1/auth/device", body)).body;
}

async function claim(device: BegunDevice) {
  return await lab.server.call<{ access_token: string; error?: { code: string } }>("POST", "/v1/auth/token", {
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    device_code: device.device_code,
  });
}

test(
  "a device is approved after a log-in that keeps its code, in the team that the person chooses",
  { skip },
  async () => {
    const { id: otherTeam } = await asAdmin<{ id: string }>("POST", "/v1/teams", { name: "Other team" });
    const device = await begin({ client_name: "<b>laptop</b> \u202Egnp.exe" });
    const visited = await lab.browser.visit(device.verification_uri_complete);
    const { page } = visited;
    await page.waitForURL(/\/login\?next=/);
    await logIn(visited);
    await page.getByRole("heading", { name: "Let this device in?" }).waitFor();
    assert.ok(page.url().includes(device.user_code));
    const facts = page.locator("dl");
    assert.match(
      await facts.innerText(),
      /<b>laptop<\/b>[^]*127\.0\.0\.1[^]*your network[^]*ada@example\.org[^]*all that you may/,
    );
    assert.equal(await facts.locator("b").count(), 0, "what a device says of itself is text");
    const ofName = "getComputedStyle(document.querySelectorAll('dl dd.guest-text')[1]).unicodeBidi";
    assert.equal(await page.evaluate(ofName), "isolate");
    const switched = page.waitForResponse((answer) => answer.url().endsWith("/v1/auth/device/lookup"));
    await page.getByLabel("Team that the device acts in").selectOption({ label: "Other team" });
    await switched;
    await page.getByRole("button", { name: "Approve" }).click();
    await page.getByRole("heading", { name: "Approved" }).waitFor();
    const { status, body } = await claim(device);
    assert.equal(status, 200, JSON.stringify(body));
    assert.equal((body as unknown as { team_id: string }).team_id, otherTeam);

    await page.goto(`${url}/device`);
    await page.getByLabel("Code that the device shows").fill(device.user_code);
    await page.getByRole("button", { name: "Continue" }).click();
    await page.getByRole("alert").getByText("not_found").waitFor();
    assert.deepEqual(visited.complaints, []);
  },
);

test(
  "a device that is denied gets nothing; what a key would be allowed is said before",
  { skip },
  async () => {
    const scopes = ["read", "run"];
    const api_key = { name: "for the build", scopes, expires_in_sec: 3 * 86_400 };
    const device = await begin({ client_name: "builder", api_key });
    const visited = await lab.browser.visit(device.verification_uri_complete);
    const { page } = visited;
    await logIn(visited);
    await page.getByText("an API key “for the build” that may read run, for 3 days").waitFor();
    await page.getByRole("button", { name: "Deny" }).click();
    await page.getByRole("heading", { name: "Denied" }).waitFor();
    assert.equal((await claim(device)).body.error?.code, "access_denied");
    assert.deepEqual(visited.complaints, []);
  },
);

test(
  "a private port asks to log in, by password or by a provider, and then shows its service; others see no such port",
  { skip },
  async (t) => {
    const id = await lab.server.capsule(t, { name: "with-a-port" });
    const serve = "mkdir -p /srv/www && echo hello from the capsule > /srv/www/page.txt && cd /srv/www";
    await lab.server.shell(id, serve);
    await lab.server.exec(id, "python3", ["-m", "http.server", "8000", "-d", "/srv/www"], {
      background: true,
    });
    await eventually("the service listens", async () => {
      const { body } = await lab.server.call<{ ports: { port: number }[] }>(
        "GET",
        `/v1/capsules/${id}/ports/listening`,
      );
      return body.ports.some(({ port }) => port === 8000);
    });
    const address = `http://8000-${id}.localhost:${new URL(url).port}/page.txt`;

    const visited = await lab.browser.visit(address);
    const { page } = visited;
    await page.getByRole("heading", { name: "Log in to open this port" }).waitFor();
    await page.getByLabel("Email").fill(lab.admin.email);
    await page.getByLabel("Password").fill("not it");
    await page.getByRole("button", { name: "Log in", exact: true }).click();
    await page.getByRole("alert").getByText("Invalid email or password").waitFor();
    await logIn(visited);
    await page.waitForURL(address);
    assert.match(await page.innerText("body"), /hello from the capsule/);
    // Who is logged in already is not asked, although the first request comes from another site, without the cookie.
    const other = await page.context().newPage();
    await page.context().clearCookies({ domain: new URL(address).hostname });
    await other.goto(address);
    await other.waitForURL(address);
    assert.deepEqual(visited.complaints, []);

    provider.person = { subject: "eve", name: "Eve", email: "eve@example.org", verified: true };
    const eve = await lab.browser.visit(`${url}/signup`);
    await eve.page.getByRole("link", { name: /^Sign up with/ }).click();
    await eve.page.waitForURL(`${url}/capsules`);
    await eve.page.goto(address);
    await eve.page.getByRole("heading", { name: "There is no such port" }).waitFor();
    await eve.page.getByRole("button", { name: "Log in with another account" }).click();
    await eve.page.getByRole("heading", { name: "Log in to open this port" }).waitFor();
    // By the provider, and back at the port, which is none of theirs.
    await eve.page.getByRole("link", { name: /^Log in with/ }).click();
    await eve.page.getByRole("heading", { name: "There is no such port" }).waitFor();
    assert.ok(eve.page.url().startsWith(`${url}/v1/ports/sign-in?`));
    assert.deepEqual(eve.complaints, []);
  },
);

test(
  "a provider leads back to where the person wanted to go, is connected and disconnected in the account, and failures are explained",
  { skip },
  async () => {
    provider.person = { subject: "ada", name: "Ada", email: "ada@elsewhere.org", verified: true };
    const visited = await lab.browser.visit(`${url}/login?next=${encodeURIComponent("/account")}`);
    const { page } = visited;
    const title = new URL(provider.issuer).host;
    await page.getByRole("link", { name: `Log in with ${title}` }).click();
    await page.getByText("There is no account for you yet.").waitFor();
    await page.getByRole("link", { name: `Sign up with ${title}` }).waitFor();
    await page.getByRole("link", { name: "Other ways to log in" }).click();
    await page.waitForURL(`${url}/login?next=${encodeURIComponent("/account")}`);
    await page.goto(`${url}/auth/oidc/callback?error=%3Cscript%3E`);
    await page.getByText("Please try again.").waitFor();
    await page.getByText("sign_in_failed").waitFor();

    await page.goto(`${url}/login?next=${encodeURIComponent("/account")}`);
    await logIn(visited);
    await page.waitForURL(`${url}/account`);
    await page.getByRole("button", { name: `Connect ${title}` }).click();
    await page.getByText(`${title} is connected: it logs you in from now on.`).waitFor();
    assert.equal(page.url(), `${url}/account`);
    await page.getByText("ada@elsewhere.org").waitFor();

    const again = await lab.browser.visit(`${url}/login?next=${encodeURIComponent("/keys")}`);
    await again.page.getByRole("link", { name: `Log in with ${title}` }).click();
    await again.page.waitForURL(`${url}/keys`);
    assert.equal(await again.page.evaluate("sessionStorage.getItem('wrenn_way_back')"), null);

    await page.getByRole("button", { name: `Disconnect ${title}` }).click();
    await page.getByRole("button", { name: `Connect ${title}` }).waitFor();
    await page.goto(`${url}/dashboard/settings?connect_error=already_linked`);
    await page.getByText("This account of the provider belongs to another account here.").waitFor();
    assert.deepEqual([visited.complaints, again.complaints], [[], []]);
  },
);

test(
  "a link of a program asks who continues, works once, and its login is in the list, where it is ended at once",
  { skip },
  async () => {
    const { token } = await asAdmin<{ token: string }>("POST", "/v1/auth/browser-links");
    const visited = await lab.browser.visit(`${url}/login#link=${token}`);
    const { page } = visited;
    await page.getByRole("heading", { name: "Continue as Ada Lovelace?" }).waitFor();
    assert.ok(!page.url().includes(token), "the token leaves the address at once");
    assert.deepEqual(await page.context().cookies(), [], "nobody is logged in yet");
    const thief = await lab.browser.visit(`${url}/login#link=${token}`);
    await thief.page.getByRole("heading", { name: "This link does not work" }).waitFor();
    await page.getByRole("button", { name: "Continue as Ada Lovelace" }).click();
    await page.waitForURL(`${url}/capsules`);

    const other = await lab.browser.visit(`${url}/login?next=/account`, {
      userAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    });
    await logIn(other);
    const logins = other.page.getByRole("table", { name: "Logins" });
    await logins.getByRole("row").filter({ hasText: "this browser" }).getByText("Firefox on Linux").waitFor();
    const linked = logins.getByRole("row").filter({ hasText: "Chrome on Linux" }).first();
    await linked.waitFor();
    await other.page.getByRole("button", { name: "Log out everywhere else" }).click();
    await other.page.getByRole("dialog").getByRole("button", { name: "Log out everywhere else" }).click();
    await linked.waitFor({ state: "detached" });
    await page.waitForURL(/\/login/);
    await logins.getByRole("button", { name: "Log out" }).click();
    await other.page.waitForURL(/\/login/);
    assert.deepEqual([visited.complaints, other.complaints], [[], []]);
  },
);
