import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { silentLogger, systemRandom } from "@wrenn/core";
import { reservePort } from "@wrenn/system";
import { ApiCaller } from "../support/api-caller.ts";
import { askPort } from "../support/ask-port.ts";
import { noBrowser, TestBrowser } from "../support/browser.ts";
import type { VisitedPage } from "../support/browser.ts";
import { copyServices, startService } from "../support/guest-services.ts";
import { signUp } from "../support/sign-up.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* A real browser whose person is logged in, on pages of a hostile capsule on the platform's own site. */
/* Alone: beside the tests of hostile clients its pages load for longer than it waits. */

const DOMAIN = "wrenn.test";
const PUBLIC = 9000;
const PRIVATE = 9001;
const who = { email: "ada@example.org", password: "correct horse", name: "Ada" };

let server: TestServer;
let browser: TestBrowser;
/** Of the person who is logged in: pages opened from it share cookies. */
let profile: VisitedPage;
let hers: ApiCaller;
let id: string;
let port: number;
/** Statuses of requests to renew a log-in, in order. */
const renewals: unknown[] = [];
before(async () => {
  if (noBrowser !== false) return;
  port = await reservePort(systemRandom);
  const info = (event: string, fields: Readonly<Record<string, unknown>> = {}): void => {
    if (event === "request" && fields["path"] === "/v1/auth/refresh") renewals.push(fields["status"]);
  };
  server = await startTestServer({
    config: { domain: DOMAIN, tls: { host: "127.0.0.1", port }, pathPorts: {} },
    logger: { ...silentLogger, info, child: () => silentLogger },
  });
  browser = await TestBrowser.start({
    more: [
      `--host-resolver-rules=MAP ${DOMAIN} 127.0.0.1, MAP *.${DOMAIN} 127.0.0.1`,
      "--ignore-certificate-errors",
    ],
  });
  profile = await browser.visit("about:blank");
  const { token } = await signUp(server, who);
  const answer = await fetch(new URL("/v1/api-keys", server.url), {
    method: "POST",
    headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
    body: JSON.stringify({ name: "hers" }),
  });
  const { key } = (await answer.json()) as { key: string };
  hers = new ApiCaller(server.url, key);
  id = await hers.capsule(undefined);
  await copyServices(hers, id);
  for (const service of [PUBLIC, PRIVATE])
    await startService(hers, id, { name: "hostile_page", port: service });
  await hers.call("PUT", `/v1/capsules/${id}/ports/${PUBLIC}`, { access: "public" });
});
after(async () => {
  await browser?.[Symbol.asyncDispose]();
  await server?.close();
});

const platform = (): string => `https://${DOMAIN}:${port}`;
const named = (service: number): string => `https://${service}-${id}.${DOMAIN}:${port}`;
const pathForm = (): string => `https://ports.${DOMAIN}:${port}/proxy/${id}/${PUBLIC}`;

interface SeenRequest {
  readonly path: string;
  readonly headers: readonly (readonly [string, string])[];
}
async function seenBy(service: number): Promise<readonly SeenRequest[]> {
  const { body } = await askPort(hers, `${service}-${id}.${DOMAIN}`, "/seen");
  return JSON.parse(body.toString()) as SeenRequest[];
}

/** Whether the browser's log-in at the platform still renews its token. */
async function renews(page: VisitedPage): Promise<number> {
  return await page.evaluate<number>(
    "fetch('/v1/auth/refresh', { method: 'POST' }).then(({ status }) => status)",
  );
}

/** A page of the platform in which the person is logged in. */
async function loggedIn(): Promise<VisitedPage> {
  const page = await profile.open(`${platform()}/docs`);
  await page.until("document.querySelector('.swagger-ui .info .title') !== null", true);
  // On a busy machine the browser gives a connection up now and then.
  const login = `fetch("/v1/auth/login", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: ${JSON.stringify(JSON.stringify({ email: who.email, password: who.password }))},
  }).then(({ status }) => status)`;
  await page.until(login, 200, 120);
  assert.equal(await renews(page), 200);
  return page;
}

test("a page of a capsule neither ends nor uses the log-in of its visitor", { skip: noBrowser }, async () => {
  const own = await loggedIn();
  for (const address of [`${named(PUBLIC)}/`, `${pathForm()}/`]) {
    const page = await profile.open(address);
    await page.until("document.title", "hostile");
    const before = renewals.length;
    const attack = `fetch("${platform()}/v1/auth/refresh", { method: "POST", mode: "no-cors", credentials: "include" })`;
    await page.evaluate(`${attack}.then(() => "sent", String)`);
    assert.deepEqual(renewals.slice(before), [403], address);
    assert.match(
      await page.evaluate<string>(
        `fetch("${platform()}/v1/capsules", { credentials: "include" }).then(() => "read", String)`,
      ),
      /TypeError/,
    );
    assert.equal(await renews(own), 200, `${address} cleared the cookies of its site`);
  }
});

test(
  "a page in the path form has neither cookies nor a worker, and sees none of the platform's",
  { skip: noBrowser },
  async () => {
    await loggedIn();
    const page = await profile.open(`${pathForm()}/`);
    await page.until("document.title", "hostile");
    assert.match(
      await page.evaluate<string>(
        "(() => { try { return document.cookie } catch (error) { return String(error) } })()",
      ),
      /SecurityError/,
    );
    const register = `(() => { try { return navigator.serviceWorker.register("${pathForm()}/worker.js", { scope: "/" }).then(() => "registered", String) } catch (error) { return String(error) } })()`;
    assert.doesNotMatch(await page.evaluate<string>(register), /registered/);
    const cookies = (await seenBy(PUBLIC)).flatMap(({ headers }) =>
      headers.filter(([name]) => name === "cookie"),
    );
    assert.deepEqual(
      cookies.filter(([, value]) => value !== "planted=1"),
      [],
      "a service gets what it set itself",
    );
  },
);

test(
  "another capsule's page cannot show a private port that its visitor has open",
  { skip: noBrowser },
  async () => {
    await loggedIn();
    const inside = await profile.open(`${named(PRIVATE)}/mine`);
    await inside.until("document.title + location.pathname", "hostile/mine");
    const page = await profile.open(`${named(PUBLIC)}/`);
    await page.until("document.title", "hostile");
    await page.evaluate(`new Promise((resolve) => {
    const frame = document.createElement("iframe");
    frame.src = "${named(PRIVATE)}/framed";
    frame.onload = resolve;
    document.body.append(frame);
  })`);
    const image = `new Promise((resolve) => {
    const image = new Image();
    image.onload = image.onerror = resolve;
    image.src = "${named(PRIVATE)}/image";
  })`;
    await page.evaluate(image);
    const paths = (await seenBy(PRIVATE)).map(({ path }) => path);
    assert.ok(paths.includes("/mine"), "its visitor has it open");
    assert.ok(!paths.includes("/framed") && !paths.includes("/image"), paths.join());
  },
);
