import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, test } from "node:test";
import { noBrowser, TestBrowser } from "../support/browser.ts";
import type { VisitedPage } from "../support/browser.ts";
import { signUp } from "../support/sign-up.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* A device without a browser and a page of another origin, both with a capsule on a microVM. */

const person = { email: "ada@example.org", password: "correct horse battery", name: "Ada" };

let server: TestServer;
let browser: TestBrowser;
/** Origins of pages that belong to someone else: one of them may use the API. */
let listed: string;
let unlisted: string;
const sites: Server[] = [];
before(async () => {
  if (noBrowser !== false) return;
  [listed, unlisted] = [await otherSite(), await otherSite()];
  server = await startTestServer({ config: { corsOrigins: [listed] }, servesDashboard: false });
  await signUp(server, person);
  browser = await TestBrowser.start();
});
after(async () => {
  await browser?.[Symbol.asyncDispose]();
  for (const site of sites) site.close();
  await server?.close();
});

/** A site of another origin than the API. */
async function otherSite(): Promise<string> {
  const site = createServer((_request, response) =>
    response.setHeader("content-type", "text/html").end("<p>app"),
  );
  await new Promise<void>((resolve) => site.listen(0, "127.0.0.1", resolve));
  sites.push(site);
  return `http://127.0.0.1:${(site.address() as AddressInfo).port}`;
}

async function fill(page: VisitedPage, selector: string, text: string): Promise<void> {
  await page.evaluate(`document.querySelector(${JSON.stringify(selector)}).value = ${JSON.stringify(text)}`);
}
const shows = (id: string): string => `document.getElementById("${id}").hidden === false`;

/** What a device gets for its code, which a person has approved. */
async function claim(deviceCode: string): Promise<string> {
  const { status, body } = await server.call<{ access_token: string }>("POST", "/v1/auth/token", {
    grant_type: "urn:ietf:params:oauth:grant-type:device_code",
    device_code: deviceCode,
  });
  assert.equal(status, 200, JSON.stringify(body));
  return body.access_token;
}

test(
  "a program on the machine of the browser gets a login by the page that the server has without a dashboard",
  { skip: noBrowser },
  async () => {
    const asked: URL[] = [];
    const program = createServer(({ url: target = "/" }, response) => {
      asked.push(new URL(target, "http://localhost"));
      response.writeHead(302, { location: `${server.url}/docs/api/cli?state=success` }).end();
    });
    await new Promise<void>((resolve) => program.listen(0, "127.0.0.1", resolve));
    sites.push(program);
    const next = `http://127.0.0.1:${(program.address() as AddressInfo).port}`;
    const query = new URLSearchParams({ next, cliVersion: "2.19.0" }).toString();
    const page = await browser.visit(`${server.url}/docs/api/cli?${query}`);
    await page.until(shows("login"), true);
    await fill(page, "[name=email]", person.email);
    await fill(page, "[name=password]", person.password);
    await page.evaluate("document.querySelector('#login button').click()");
    await page.until(shows("ask"), true);
    const facts = await page.evaluate<string>("document.querySelector('dl').innerText");
    for (const part of ["E2B CLI 2.19.0", `${next}/`, person.email]) assert.ok(facts.includes(part), facts);
    assert.equal(asked.length, 0, "nothing happens before the person decides");
    await page.evaluate("document.getElementById('approve').click()");
    await page.until("document.title", "You are logged in");
    const token = asked
      .find(({ searchParams }) => searchParams.has("accessToken"))
      ?.searchParams.get("accessToken");
    const me = await fetch(`${server.url}/v1/me`, { headers: { authorization: `Bearer ${token}` } });
    assert.equal(me.status, 200);
    assert.deepEqual(page.complaints, []);
  },
);

test(
  "a device gets a login that a person approves in a browser, and a page of a listed origin uses it",
  { skip: noBrowser },
  async () => {
    const begun = await server.call<{ device_code: string; user_code: string; interval: number }>(
      "POST",
      "/v1/auth/device",
      { client_name: "<b>laptop</b>" },
    );
    assert.equal(begun.status, 200);
    const { device_code: deviceCode, user_code: userCode } = begun.body;

    const page = await browser.visit(`${server.url}/device?user_code=${userCode}`);
    await page.until(shows("login"), true);
    await fill(page, "[name=email]", person.email);
    await fill(page, "[name=password]", "wrong password");
    await page.evaluate("document.querySelector('#login button').click()");
    await page.until("document.querySelector('output').textContent", "invalid email or password");
    await fill(page, "[name=password]", person.password);
    await page.evaluate("document.querySelector('#login button').click()");
    await page.until(shows("enter"), true);
    assert.equal(await page.evaluate("document.getElementById('code').value"), userCode);
    await page.evaluate("document.querySelector('#enter button').click()");
    await page.until(shows("ask"), true);
    const facts = await page.evaluate<string>("document.getElementById('facts').innerText");
    assert.match(facts, /<b>laptop<\/b>[^]*127\.0\.0\.1[^]*ada@example\.org/);
    await page.evaluate("document.getElementById('approve').click()");
    await page.until("document.getElementById('done').textContent", "Approved. Go back to the device.");
    const token = await claim(deviceCode);

    const made = await fetch(`${server.url}/v1/capsules`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({}),
    });
    const { id } = (await made.json()) as { id: string };
    assert.equal(made.status, 201);

    const app = await browser.visit(listed);
    await app.until("document.body.innerText", "app");
    const script = (work: string): string =>
      `(async () => { const api = ${JSON.stringify(server.url)}, token = ${JSON.stringify(token)}, id = ${JSON.stringify(id)}; ${work} })()`;
    const run = script(`
      const headers = { authorization: "Bearer " + token, "content-type": "application/json" };
      const answer = await fetch(api + "/v1/capsules/" + id + "/exec", { method: "POST", headers, body: JSON.stringify({ cmd: "echo", args: ["from a page"] }) });
      const refused = await fetch(api + "/v1/capsules/cl-none", { headers });
      return JSON.stringify([(await answer.json()).stdout, answer.headers.has("x-request-id"), refused.status, (await refused.json()).error.reason]);`);
    assert.equal(await app.evaluate(run), JSON.stringify(["from a page\n", true, 400, "invalid_id"]));
    const stream = script(`
      const socket = new WebSocket(api.replace("http", "ws") + "/v1/capsules/" + id + "/exec/stream");
      const messages = [];
      socket.onopen = () => { socket.send(JSON.stringify({ type: "auth", token })); socket.send(JSON.stringify({ type: "start", cmd: "echo", args: ["streamed"] })); };
      socket.onmessage = ({ data }) => messages.push(JSON.parse(data));
      await new Promise((resolve) => { socket.onclose = resolve; });
      return messages.filter(({ type }) => type === "stdout").map(({ data }) => data).join("");`);
    assert.equal(await app.evaluate(stream), "streamed\n");

    const foreign = await browser.visit(unlisted);
    await foreign.until("document.body.innerText", "app");
    await assert.rejects(foreign.evaluate(run), /Failed to fetch/);
    assert.equal(await foreign.evaluate(stream), "", "its WebSocket is refused");
  },
);
