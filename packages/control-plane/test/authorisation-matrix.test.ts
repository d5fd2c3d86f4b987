import assert from "node:assert/strict";
import { after, test } from "node:test";
import { defined, randomHex, systemRandom } from "@wrenn/core";
import { expectationOf, expectations } from "./support/authorisation-table.ts";
import type { Expectation } from "./support/authorisation-table.ts";
import { FurnishedHostAgent } from "./support/furnished-host-agent.ts";
import { Furnisher, unknownIds } from "./support/furnished-teams.ts";
import type { Ids, Kind } from "./support/furnished-teams.ts";
import { administrators, holdingsOf, makeWorld } from "./support/matrix-world.ts";
import { rawRequest } from "./support/raw-request.ts";
import type { RawAnswer } from "./support/raw-request.ts";
import {
  expectedStatuses,
  malformedIds,
  mayAsk,
  nobodies,
  somebodies,
  targets,
} from "./support/requesters.ts";
import type { Requester, Target, World } from "./support/requesters.ts";
import { RouteList } from "./support/route-list.ts";
import { TestPlatform } from "./support/test-platform.ts";

const LONG = process.env["WRENN_TEST_LONG"] === "1";
const seed = Number(process.env["WRENN_TEST_SEED"] ?? Date.now() % 2 ** 31);
/** Every second route, which WRENN_TEST_SEED draws; `--long` takes all. */
const skipOf = (index: number): string | false =>
  LONG || (index + seed) % 2 === 0 ? false : `not drawn by WRENN_TEST_SEED=${seed}`;

using list = new RouteList();
const platform = await TestPlatform.start({ host: new FurnishedHostAgent() });
after(() => platform[Symbol.asyncDispose]());
const routes = list.all();
const furnisher = await Furnisher.open(platform);
let world: World = await makeWorld(platform, furnisher);
const before = await holdingsOf(platform, world.theirs);

/** Things that the segments of a path name, by their parameters. */
const kinds: Readonly<Record<string, Kind>> = {
  checkpoint: "checkpoint",
  selector: "process",
  upload: "upload",
  port: "port",
  link: "link",
  name: "template",
  version: "version",
  user: "user",
  invitation: "invitation",
  tag: "tag",
  provider: "provider",
  session: "session",
};
const roots: Readonly<Record<string, Kind>> = {
  capsules: "capsule",
  builds: "build",
  teams: "team",
  hosts: "host",
  channels: "channel",
  "api-keys": "key",
  invitations: "received",
  users: "user",
};

function kindOf(url: string, parameter: string): Kind {
  const kind = parameter === "id" ? roots[url.replace("/admin/", "/").split("/")[2] ?? ""] : kinds[parameter];
  return kind ?? assert.fail(`the matrix has nothing for :${parameter} of ${url}`);
}

const parametersOf = (url: string): readonly string[] =>
  [...url.matchAll(/:(\w+)/g)].map(([, name = ""]) => name);

interface Asked {
  readonly answer: RawAnswer;
  /** Ids that the request named. */
  readonly named: readonly string[];
}

let asked = 0;

async function ask(
  { method, url }: { readonly method: string; readonly url: string },
  wanted: Expectation,
  who: Requester,
  target: Target,
): Promise<Asked> {
  const fresh = randomHex(systemRandom, 6);
  const own = who.platform && wanted.platform ? world.ours.ids : await ownIds(who, url);
  const others = {
    own,
    nothing: own,
    foreign: world.theirs.ids,
    unknown: unknownIds(),
    malformed: malformedIds,
  };
  const [first, nested] = target.startsWith("nested ")
    ? [own, others[target.slice(7) as keyof typeof others]]
    : [others[target as keyof typeof others], others[target as keyof typeof others]];
  const parameters = parametersOf(url);
  const ids = parameters.map((name, at) => (at === 0 ? first : nested)[kindOf(url, name)]);
  const path = parameters.reduce(
    (text, name, at) => text.replace(`:${name}`, encodeURIComponent(ids[at] ?? "")),
    url,
  );
  const body = wanted.raw?.bytes ?? (wanted.body && JSON.stringify(wanted.body(first, fresh)));
  const type = wanted.raw?.type ?? (wanted.body && "application/json");
  asked++;
  const answer = await rawRequest(platform.url, {
    method,
    path: path + (wanted.query?.(world.theirs) ?? ""),
    headers: { ...defined({ "content-type": type }), ...wanted.headers, ...who.headers(world) },
    ...defined({ body }),
    // Routes that anybody may call are limited by address.
    from: `127.0.${1 + (Math.floor(asked / 250) % 250)}.${1 + (asked % 250)}`,
  });
  return { answer, named: [...ids, ...wanted.named.map((kind) => first[kind]), fresh] };
}

/** What is "own" for somebody outside of our team is ours: they must not get it. */
async function ownIds(who: Requester, url: string): Promise<Ids> {
  const { ours, stranger, worthless } = world;
  if (who.host) return { ...ours.ids, host: worthless.hostId };
  if (!url.startsWith("/v1/invitations/")) return ours.ids;
  const email = who.outside || !who.login ? ours.people.owner.email : who.login(world).email;
  return { ...ours.ids, received: await furnisher.invite(stranger, email) };
}

/** An answer without what the request itself named, and what is different each time. */
function stripped({ answer, named }: Asked): string {
  // The request's own id comes first: a port is so short that such an id may have it by chance.
  const text = answer.text.replaceAll(/req-[0-9a-f]{24}/g, "REQUEST");
  return named.filter((id) => id !== "").reduce((left, id) => left.replaceAll(id, "ID"), text);
}

function revealed(one: Asked): readonly string[] {
  const { marker, ids } = world.theirs;
  const text = `${stripped(one)} ${JSON.stringify(one.answer.headers)}`;
  const secrets = [
    marker,
    ...(["capsule", "channel", "host", "key", "invitation", "team", "user"] as const).map(
      (kind) => ids[kind],
    ),
  ];
  return secrets.filter((secret) => text.includes(secret));
}

async function replace(wanted: Expectation, url: string, who: Requester): Promise<void> {
  const { spends } = wanted;
  if (spends === "team" && wanted.access === "platform")
    world = { ...world, ours: await furnisher.team("oursmarker") };
  else if (spends === "team") world = await remade(who);
  else if (spends) await furnisher.renew(world.ours, spends);
  // Of somebody who may change the hosts of all.
  if (spends === "host") await furnisher.renew(world.theirs, "host");
  if (url === "/v1/capsules" || url.endsWith("/fork")) await endCapsules();
}

/** With another team in the place of the one that somebody acts in. */
async function remade(who: Requester): Promise<World> {
  if (!who.outside) return { ...world, ours: await furnisher.team("oursmarker") };
  if (!who.platform) return { ...world, stranger: await furnisher.team("strangermarker") };
  return { ...world, admin: await administrators(platform, furnisher) };
}

/** The fake host is small. */
async function endCapsules(): Promise<void> {
  const kept = new Set([world.ours, world.stranger, world.admin].map(({ ids }) => ids.capsule));
  for (const { people } of [world.ours, world.stranger, world.admin]) {
    const { token } = people.owner;
    const { body } = await platform.call("GET", "/v1/capsules", { token });
    for (const { id } of body as unknown as { readonly id: string }[])
      if (!kept.has(id)) await platform.call("DELETE", `/v1/capsules/${id}`, { token });
  }
}

function propertiesOf(schema: unknown): object {
  return (schema as { readonly properties?: object } | undefined)?.properties ?? {};
}

/** Which of the targets mean something for a route. */
function targetsOf(url: string, wanted: Expectation): readonly Target[] {
  const parameters = parametersOf(url);
  if (parameters.length === 0 && wanted.named.length === 0) return ["nothing"];
  return targets.filter(
    (target) =>
      // Theirs would be changed, like ours.
      !(wanted.access === "platform" && target.includes("foreign")) &&
      target !== "nothing" &&
      (!target.startsWith("nested") || parameters.length > 1),
  );
}

test("every route of the server is in the table, and the table has no other", () => {
  const served = routes
    .filter(({ method }) => method !== "HEAD")
    .map(({ method, url }) => `${method} ${url}`);
  assert.deepEqual(served.toSorted(), Object.keys(expectations).toSorted());
});

/** Answers of a route to somebody, about everything. */
async function answersTo(
  route: { readonly method: string; readonly url: string },
  wanted: Expectation,
  who: Requester,
): Promise<ReadonlyMap<Target, Asked>> {
  const answers = new Map<Target, Asked>();
  for (const target of targetsOf(route.url, wanted)) {
    const one = await ask(route, wanted, who, target);
    const { status, text } = one.answer;
    const label = `${route.method} ${route.url} by ${who.name}, ${target}: ${text.slice(0, 300)}`;
    const expected = expectedStatuses(who, wanted, target);
    assert.ok(expected.includes(status), `${status}, not ${expected.join(" or ")}: ${label}`);
    if (!(who.platform && wanted.platform)) assert.deepEqual(revealed(one), [], label);
    answers.set(target, one);
    if (mayAsk(who, wanted.access) && status < 300 && wanted.access !== "open")
      await replace(wanted, route.url, who);
  }
  return answers;
}

for (const [index, route] of routes.entries()) {
  const name = `${route.method} ${route.url}`;
  const wanted = expectationOf(route);
  if (!wanted) continue;
  test(`${name} is ${wanted.access}, and tells nothing of others`, { skip: skipOf(index) }, async () => {
    for (const who of [...nobodies, ...somebodies]) {
      const answers = await answersTo(route, wanted, who);
      if (who.platform && wanted.platform) continue;
      for (const prefix of ["", "nested "] as const) {
        const [foreign, unknown] = [answers.get(`${prefix}foreign`), answers.get(`${prefix}unknown`)];
        if (foreign && unknown && foreign.answer.status >= 300)
          assert.equal(stripped(foreign), stripped(unknown), `${name} by ${who.name}`);
      }
    }
  });
}

test("a place in a list of others leads nowhere in one's own", async () => {
  const [mine, other] = [world.ours.people.owner.token, world.theirs.people.owner.token];
  const isTheirs = (body: unknown): boolean => JSON.stringify(body).includes(world.theirs.marker);
  for (const { method, url, schema } of routes) {
    if (method !== "GET" || !("cursor" in propertiesOf(schema.querystring)) || url.includes(":")) continue;
    const first = await platform.call("GET", `${url}?limit=1`, { token: other });
    const cursor = first.headers.get("x-next-cursor") ?? "none";
    const { body } = await platform.call("GET", `${url}?cursor=${cursor}`, { token: mine });
    assert.equal(isTheirs(body), false, `${url}: ${JSON.stringify(body)}`);
  }
  const { body: log } = await platform.call("GET", "/v1/audit-logs?limit=1", { token: other });
  const before = String(log["next_before_id"]);
  assert.match(before, /^log-/);
  const { body: page } = await platform.call("GET", `/v1/audit-logs?before_id=${before}`, { token: mine });
  assert.deepEqual(page["items"], []);
});

test("the events of a team, from the first on, are its own", async () => {
  const { ours, theirs } = world;
  const response = await fetch(`${platform.url}/v1/events?after=0`, {
    headers: { authorization: `Bearer ${ours.people.owner.token}` },
    signal: AbortSignal.timeout(10_000),
  });
  let text = "";
  for await (const piece of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
    text += piece;
    if (text.includes(ours.ids.capsule)) break;
  }
  assert.ok(text.includes(ours.ids.team));
  for (const secret of [theirs.marker, theirs.ids.team, theirs.ids.capsule])
    assert.ok(!text.includes(secret));
});

test("nothing of the other team has changed", async () => {
  assert.deepEqual(await holdingsOf(platform, world.theirs), before);
});
