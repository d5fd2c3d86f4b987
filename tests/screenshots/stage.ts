import { setTimeout } from "node:timers/promises";
import { eventually } from "@wrenn/core/testing";
import { Wrenn } from "@wrenn/sdk";
import type { Capsule } from "@wrenn/sdk";
import { DashboardLab } from "../support/dashboard-lab.ts";
import type { VisitedPage } from "../support/browser.ts";
import { startWork } from "./guest-work.ts";

/** Who a page is shown to. */
export type Viewer = "stranger" | "owner" | "newcomer";

interface StagePerson {
  readonly email: string;
  readonly password: string;
  readonly name: string;
}

const PASSWORD = "another password of words";
const GRACE: StagePerson = { email: "grace@example.org", password: PASSWORD, name: "Grace Hopper" };
const ALAN: StagePerson = { email: "alan@example.org", password: PASSWORD, name: "Alan Turing" };
const DAY_SEC = 86_400;
/** Most of what the shortest plot of metrics shows. */
const HISTORY_MS = 4 * 60_000;

/** A server with capsules that work, a team and its keys: what pictures of the dashboard show. */
export class Stage implements AsyncDisposable {
  readonly lab: DashboardLab;
  /** Serves a page, has checkpoints and a fork, and a network policy. */
  readonly shop: Capsule;
  readonly paused: Capsule;

  private constructor(lab: DashboardLab, shop: Capsule, paused: Capsule) {
    this.lab = lab;
    this.shop = shop;
    this.paused = paused;
  }

  /** @param signal - ends the preparation. */
  static async open(signal: AbortSignal): Promise<Stage> {
    const lab = await DashboardLab.open({
      config: { signIn: { github: { clientId: "none", clientSecret: "none" } } },
    });
    try {
      await nameTeam(lab);
      const wrenn = new Wrenn({ url: lab.server.url, accessToken: lab.token });
      const create = wrenn.capsules.create.bind(wrenn.capsules);
      const paused = await create({ name: "nightly-report", metadata: { stage: "production" }, signal });
      await paused.pause({ signal });
      const shop = await create({
        name: "web-shop",
        autoResume: true,
        idleTimeoutMs: 1_800_000,
        metadata: { stage: "staging", owner: "ada" },
        envs: { PORT: "8000" },
        signal,
      });
      await startWork(shop, signal);
      await create({ name: "agent-review", metadata: { owner: "agent", task: "review-482" }, signal });
      await makeKeys(lab);
      return new Stage(lab, shop, paused);
    } catch (error) {
      await lab[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** Waits until the capsules have run long enough for plots to show something. */
  async history(signal: AbortSignal): Promise<void> {
    const age = Date.now() - this.shop.lastInfo.createdAt.getTime();
    if (age < HISTORY_MS) await setTimeout(HISTORY_MS - age, undefined, { signal });
  }

  /** A page in a profile of its own, logged in unless it is for strangers. */
  async visit(viewer: Viewer, path: string, look: PictureLook): Promise<VisitedPage> {
    if (viewer === "stranger") return await this.lab.browser.visit(this.lab.server.url + path, look);
    return await this.lab.visitAs(viewer === "owner" ? this.lab.admin : ALAN, path, look);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.lab[Symbol.asyncDispose]();
  }
}

/** How a page is looked at. */
export interface PictureLook {
  readonly colorScheme: "light" | "dark";
  readonly viewport: { readonly width: number; readonly height: number };
  readonly isMobile: boolean;
  readonly hasTouch: boolean;
  readonly deviceScaleFactor: 1;
  readonly locale: "en-GB";
  readonly timezoneId: "UTC";
}

/** Ada's team gets its name and Grace; Alan is invited, and has not answered. */
async function nameTeam(lab: DashboardLab): Promise<void> {
  const teams = await asPerson<readonly { readonly id: string }[]>(lab, lab.token, "GET", "/v1/teams");
  const team = teams[0]?.id ?? "";
  await asPerson(lab, lab.token, "PATCH", `/v1/teams/${team}`, { name: "Analytical Engines" });
  for (const person of [GRACE, ALAN]) {
    const { email } = person;
    await asPerson(lab, lab.token, "POST", `/v1/teams/${team}/invitations`, { email, role: "member" });
    const token = await register(lab, person);
    if (person !== GRACE) continue;
    const open = await asPerson<readonly { readonly id: string }[]>(lab, token, "GET", "/v1/invitations");
    for (const { id } of open) await asPerson(lab, token, "POST", `/v1/invitations/${id}/accept`);
  }
}

/** Signs a person up and activates the account. @returns their access token. */
async function register(lab: DashboardLab, person: StagePerson): Promise<string> {
  await lab.server.call("POST", "/v1/auth/signup", person);
  const activation = await eventually("the mail with the link", async () => {
    const mails = await asPerson<readonly { readonly to: string; readonly link?: string }[]>(
      lab,
      lab.token,
      "GET",
      "/v1/admin/mails",
    );
    const links = mails.flatMap(({ to, link = "" }) => (to === person.email ? [new URL(link)] : []));
    return links.find(({ pathname }) => pathname === "/activate")?.searchParams.get("token") ?? undefined;
  });
  const { body } = await lab.server.call<{ readonly token: string }>("POST", "/v1/auth/activate", {
    token: activation,
    password: person.password,
  });
  return body.token;
}

async function makeKeys(lab: DashboardLab): Promise<void> {
  const keys = [
    { name: "continuous integration", scopes: ["read", "run"], expires_in_sec: 90 * DAY_SEC },
    { name: "ada's laptop", scopes: ["read", "run", "manage"] },
    { name: "status page", scopes: ["read"], expires_in_sec: 365 * DAY_SEC },
  ];
  for (const key of keys) await asPerson(lab, lab.token, "POST", "/v1/api-keys", key);
}

/** A call with the access token of a person. @throws Error unless it succeeds. */
async function asPerson<T = unknown>(
  lab: DashboardLab,
  token: string,
  method: string,
  path: string,
  body?: object,
): Promise<T> {
  const answer = await fetch(new URL(path, lab.server.url), {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
  return (text === "" ? undefined : JSON.parse(text)) as T;
}
