import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import type { Page } from "playwright-core";
import { noBrowser } from "../support/browser.ts";
import type { VisitedPage } from "../support/browser.ts";
import { DashboardLab, terminalShows } from "../support/dashboard-lab.ts";
import { putFile } from "../support/guest-services.ts";

/*
 * The dashboard against pages of capsules and what guests write. Over plain HTTP, where browsers guard cookies least: over TLS
 * tests/security/guest-pages.test.ts attacks the same log-in.
 */

const skip = noBrowser;
const DOMAIN = "wrenn.test";
const PORT = 8000;
const VIEWS = ["Terminal", "Ports", "Processes", "Logs", "Metrics", "Timeline", "Network", "Settings"];

let lab: DashboardLab;
let id: string;
let origin: string;
before(async () => {
  if (skip !== false) return;
  lab = await DashboardLab.open({ config: { domain: DOMAIN }, localNames: [DOMAIN] });
  origin = `http://${DOMAIN}:${new URL(lab.server.url).port}`;
  id = await lab.server.capsule(undefined, { name: "hostile" });
  await putFile(
    lab.server,
    id,
    "/srv/index.html",
    "<!doctype html><title>hostile</title><p>A page of a capsule",
  );
  await lab.server.exec(id, "python3", ["-m", "http.server", String(PORT), "-d", "/srv"], {
    background: true,
  });
  await lab.server.call("PUT", `/v1/capsules/${id}/ports/${PORT}`, { access: "public" });
});
after(() => lab?.[Symbol.asyncDispose]());

/** What somebody would do who can run a script in a page of the dashboard, by other ways than the console. */
const INJECTIONS = `(async () => {
  const run = "globalThis.injected = true";
  const attempt = (work) => {
    try {
      work();
      return "done";
    } catch (error) {
      return error instanceof TypeError ? "refused" : String(error);
    }
  };
  const script = document.createElement("script");
  const outcome = {
    html: attempt(() => (document.body.innerHTML = \`<img src=x onerror="\${run}">\`)),
    text: attempt(() => (script.textContent = run)),
    source: attempt(() => (script.src = "data:text/javascript,0")),
    attribute: attempt(() => document.body.setAttribute("onclick", run)),
  };
  // As a parser makes it, and not our wrapper: without the nonce.
  const style = document.createElementNS("http://www.w3.org/1999/xhtml", "style");
  style.textContent = "body { outline: 3px solid red }";
  document.head.append(style);
  const link = document.createElement("a");
  link.href = "javascript:" + run;
  document.body.append(link);
  link.click();
  new Image().src = "http://elsewhere.wrenn.test/leak.png";
  const fetched = await fetch("http://elsewhere.wrenn.test/leak").then(() => "sent", () => "refused");
  return { ...outcome, fetched, outline: getComputedStyle(document.body).outlineStyle, ran: globalThis.injected };
})()`;

interface AttackOutcome {
  readonly sent: readonly string[];
  readonly sockets: readonly string[];
  readonly frameText: string;
  readonly cookie: string;
}

/** What a page of a capsule can try with the log-in of its visitor. */
const ATTACK = `async ([target, capsule]) => {
  const send = async (method, path, mode, body) =>
    await fetch(target + path, { method, mode, credentials: "include", body }).then(() => "read", () => "nothing");
  const socket = async (path) =>
    await new Promise((resolve) => {
      const opened = new WebSocket(target.replace("http", "ws") + path);
      opened.onopen = () => resolve("open");
      opened.onerror = () => resolve("refused");
    });
  const frame = document.createElement("iframe");
  frame.src = target + "/capsules";
  const framed = new Promise((resolve) => (frame.onload = resolve));
  document.body.append(frame);
  await framed;
  let frameText;
  try {
    frameText = frame.contentDocument?.body.textContent ?? "none";
  } catch {
    frameText = "out of reach";
  }
  const path = "/v1/capsules/" + capsule;
  return {
    sent: [
      await send("POST", "/v1/auth/refresh", "no-cors"),
      await send("POST", "/v1/auth/refresh", "cors"),
      await send("POST", "/v1/capsules", "no-cors", "{}"),
      await send("DELETE", path, "cors"),
      await send("GET", "/v1/capsules", "cors"),
    ],
    sockets: [await socket(path + "/pty"), await socket(path + "/exec/stream")],
    frameText,
    cookie: document.cookie,
  };
}`;

/** Violations that pages of this profile report from now on, also those of pages to come. */
async function violationsIn({ page }: VisitedPage): Promise<string[]> {
  const seen: string[] = [];
  const MARK = "violation: ";
  page.context().on("console", (message) => {
    if (message.text().startsWith(MARK)) seen.push(message.text().slice(MARK.length));
  });
  const listen = `document.addEventListener("securitypolicyviolation", (event) =>
    console.log("${MARK}" + [event.effectiveDirective, event.blockedURI, event.sample].join(" ")))`;
  await page.context().addInitScript(listen);
  return seen;
}

/** The page of the hostile capsule, in the profile of somebody who is logged in. */
async function hostilePage({ page }: VisitedPage): Promise<Page> {
  const hostile = await page.context().newPage();
  await hostile.goto(`http://${PORT}-${id}.${DOMAIN}:${new URL(origin).port}/`);
  assert.equal(await hostile.title(), "hostile");
  return hostile;
}

test(
  "a session through all pages violates no policy, and leaves no token where scripts find it",
  { skip },
  async () => {
    const visited = await lab.visit("/capsules", { origin: localhost() });
    const { page } = visited;
    const violations = await violationsIn(visited);
    const tokens: string[] = [];
    page.on("response", (response) => {
      if (/\/v1\/auth\/(?:login|refresh)$/.test(response.url()))
        void response.json().then(
          ({ token }: { token?: string }) => token && tokens.push(token),
          () => {},
        );
    });
    await page.goto(`${localhost()}/capsules/${id}`);
    for (const view of VIEWS) {
      await page.getByRole("link", { name: view, exact: true }).click();
      if (view === "Terminal") await terminalShows(visited, /[#$] /);
      if (view === "Metrics") await page.locator("canvas").first().waitFor();
      await page.getByRole("button", { name: "Commands" }).click();
      await page.getByRole("dialog").waitFor();
      await page.keyboard.press("Escape");
      await page.getByRole("dialog").waitFor({ state: "detached" });
    }
    for (const path of ["/capsules?start=1", "/keys?new=1", "/team", "/account", "/invitations"]) {
      await page.goto(`${localhost()}${path}`);
      await page.getByRole("heading").first().waitFor();
    }
    await page.keyboard.press("Control+k");
    await page.getByRole("dialog").waitFor();
    assert.deepEqual(violations, []);
    assert.deepEqual(visited.complaints, []);

    await eventually("the page has renewed its login", () => tokens.length > 0);
    const kept =
      await page.evaluate<string>(`Promise.all([indexedDB.databases(), caches.keys()]).then((stores) =>
      JSON.stringify([{ ...localStorage }, { ...sessionStorage }, stores, document.cookie, location.href, history.state]))`);
    for (const token of tokens) assert.ok(!kept.includes(token.slice(0, 20)), kept);
    const cookies = await page.context().cookies();
    const refresh = cookies.find(({ name }) => name.endsWith("wrenn_refresh")) ?? assert.fail("no cookie");
    assert.deepEqual([refresh.httpOnly, refresh.sameSite, refresh.domain], [true, "Strict", "localhost"]);
    assert.ok(!kept.includes(refresh.value), kept);
  },
);

test("what is injected into a page neither runs nor looks nor loads", { skip }, async () => {
  const visited = await lab.visit("/capsules", { origin });
  const { page } = visited;
  const violations = await violationsIn(visited);
  await page.reload();
  await page.getByRole("heading", { name: "Capsules" }).waitFor();
  const outcome = await page.evaluate(INJECTIONS);
  assert.deepEqual(outcome, {
    html: "refused",
    text: "refused",
    source: "refused",
    attribute: "refused",
    fetched: "refused",
    outline: "none",
    ran: undefined,
  });
  // Reported after the attempt.
  for (const kind of [
    "require-trusted-types-for",
    "style-src-elem",
    "script-src-elem",
    "img-src",
    "connect-src",
  ])
    await eventually(
      `a violation of ${kind}`,
      () => violations.some((violation) => violation.startsWith(`${kind} `)),
      { details: () => violations.join("\n") },
    );
});

test(
  "a page of a capsule changes nothing by the log-in of its visitor, and sees none of it",
  { skip },
  async () => {
    const visited = await lab.visit("/capsules", { origin });
    const hostile = await hostilePage(visited);
    const before = [await capsuleIds(), await refreshCookie(visited)];
    const seen = await hostile.evaluate<AttackOutcome>(`(${ATTACK})(${JSON.stringify([origin, id])})`);
    assert.deepEqual(seen.sockets, ["refused", "refused"]);
    assert.match(seen.frameText, /none|out of reach/);
    assert.ok(!seen.cookie.includes("wrenn"), seen.cookie);
    assert.ok(
      seen.sent.every((answer) => answer === "nothing"),
      seen.sent.join(),
    );
    const frames = hostile.frames().filter((frame) => frame !== hostile.mainFrame());
    assert.ok(
      frames.every((frame) => !frame.url().startsWith(origin)),
      frames.map((frame) => frame.url()).join(),
    );

    // A form, which needs no leave to send.
    await hostile.evaluate(`{
    const form = document.createElement("form");
    form.method = "post";
    form.action = "${origin}/v1/auth/refresh";
    document.body.append(form);
    form.submit();
  }`);
    await hostile.waitForURL(`${origin}/v1/auth/refresh`);
    assert.match((await hostile.textContent("body")) ?? "", /foreign_page/);

    // A renewal would have replaced the cookie.
    assert.deepEqual([await capsuleIds(), await refreshCookie(visited)], before);
    await visited.page.reload();
    await visited.page.getByRole("heading", { name: "Capsules" }).waitFor();
    assert.deepEqual(visited.complaints, []);
  },
);

test("a window that a page of a capsule opens or is opened from is out of its reach", { skip }, async () => {
  const visited = await lab.visit(`/capsules/${id}/ports`, { origin: localhost() });
  const { page } = visited;
  const link = page
    .getByRole("row")
    .filter({ hasText: String(PORT) })
    .getByRole("link");
  const [opened] = await Promise.all([page.context().waitForEvent("page"), link.click()]);
  await opened.waitForLoadState();
  assert.equal(await opened.evaluate("window.opener"), null);
  const [victim] = await Promise.all([
    opened.context().waitForEvent("page"),
    opened.evaluate(`{ globalThis.victim = window.open("${localhost()}/capsules") }`),
  ]);
  await victim.getByRole("heading", { name: "Capsules" }).waitFor();
  assert.equal(await victim.evaluate("window.opener"), null);
  assert.equal(await opened.evaluate("victim.closed"), true, "it is severed");
});

test("a cookie that a page of a capsule plants makes nobody another person", { skip }, async () => {
  const mallory = { email: "mallory@example.org", password: "words of mallory, many", name: "Mallory" };
  await lab.addMember(mallory);
  const login = await fetch(`${lab.server.url}/v1/auth/login`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ email: mallory.email, password: mallory.password }),
  });
  const planted = /wrenn_refresh=([0-9a-f]+)/.exec(login.headers.get("set-cookie") ?? "")?.[1];
  assert.ok(planted);
  const visited = await lab.visit("/capsules", { origin });
  const hostile = await hostilePage(visited);
  for (const path of ["/", "/v1/auth", "/v1/auth/refresh"])
    await hostile.evaluate(`document.cookie = "wrenn_refresh=${planted}; Domain=${DOMAIN}; Path=${path}"`);
  const names = (await hostile.context().cookies(`${origin}/v1/auth/refresh`)).map(({ name }) => name);
  assert.ok(
    names.filter((name) => name === "wrenn_refresh").length > 1,
    `the browser took it: ${names.join()}`,
  );
  const account = visited.page.getByRole("button", { name: /account, teams and appearance/ });
  await visited.page.reload();
  // What was planted is taken out, and the log-in goes on.
  assert.match(await account.innerText(), /Ada Lovelace/);
  assert.equal((await hostile.context().cookies(`${origin}/v1/auth/refresh`)).length, 1);

  // As if it had pushed the cookie out of the browser, which keeps only so many of a site.
  await visited.page.context().clearCookies();
  await hostile.evaluate(`document.cookie = "wrenn_refresh=${planted}; Domain=${DOMAIN}; Path=/"`);
  await visited.page.reload();
  await visited.page.getByRole("heading", { name: "Log in" }).waitFor();
});

/** The server as people on its machine reach it. */
function localhost(): string {
  return `http://localhost:${new URL(lab.server.url).port}`;
}

async function refreshCookie({ page }: VisitedPage): Promise<string | undefined> {
  const cookies = await page.context().cookies(origin);
  return cookies.find(({ name }) => name === "wrenn_refresh")?.value;
}

async function capsuleIds(): Promise<readonly string[]> {
  const { body } = await lab.server.call<{ id: string }[]>("GET", "/v1/capsules");
  return body.map((capsule) => capsule.id);
}
