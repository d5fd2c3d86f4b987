import { randomHex, systemRandom } from "@wrenn/core";
import { UnsecuredJWT } from "jose";
import { scopes } from "../../src/http/identity.ts";
import type { Scope } from "../../src/http/identity.ts";
import type { Access, Expectation } from "./authorisation-table.ts";
import type { FurnishedTeam, Ids, Login } from "./furnished-teams.ts";

/** Teams that requests are made for and about, and credentials that stand for nobody. */
export interface World {
  readonly ours: FurnishedTeam;
  readonly theirs: FurnishedTeam;
  readonly stranger: FurnishedTeam;
  readonly admin: FurnishedTeam;
  readonly worthless: {
    readonly expiredToken: string;
    readonly endedToken: string;
    /** Of somebody who is not of their team any more. */
    readonly removedToken: string;
    readonly revokedKey: string;
    readonly expiredKey: string;
    readonly hostToken: string;
    readonly hostId: string;
  };
}

/** What a request asks about: things of our team, of theirs, of nobody, orthing at all; `nested` ones are of our capsule, team or host. */
export const targets = [
  "nothing",
  "own",
  "foreign",
  "unknown",
  "malformed",
  "nested foreign",
  "nested unknown",
  "nested malformed",
] as const;
export type Target = (typeof targets)[number];

/** Somebody who makes requests. */
export interface Requester {
  readonly name: string;
  headers(world: World): Readonly<Record<string, string>>;
  /** What the credentials are worth; none for nobody. */
  readonly scopes?: readonly string[];
  readonly role?: "member" | "admin" | "owner";
  /** Of another team than ours. */
  readonly outside?: boolean;
  readonly platform?: boolean;
  readonly host?: boolean;
  login?(world: World): Login;
}

const bearer = (token: string): Record<string, string> => ({ authorization: `Bearer ${token}` });
const apiKey = (key: string): Record<string, string> => ({ "x-api-key": key });
const hex = (bytes: number): string => randomHex(systemRandom, bytes);

function forged(token: string): string {
  const [head = "", claims = ""] = token.split(".");
  return `${head}.${claims}.${Buffer.from(systemRandom.bytes(32)).toString("base64url")}`;
}

function unsigned({ people, ids }: FurnishedTeam): string {
  return new UnsecuredJWT({ sid: systemRandom.uuid(), team_id: ids.team, is_admin: true })
    .setIssuer("wrenn")
    .setSubject(people.owner.userId)
    .setExpirationTime("1h")
    .encode();
}

/** Credentials that nobody is let in with. */
export const nobodies: readonly Requester[] = [
  { name: "no credentials", headers: () => ({}) },
  { name: "an empty key", headers: () => apiKey("") },
  { name: "garbage for a key", headers: () => apiKey("%00' or 1=1 --") },
  { name: "a key that never was", headers: () => apiKey(`wrn_${hex(16)}`) },
  { name: "a revoked key", headers: ({ worthless }) => apiKey(worthless.revokedKey) },
  { name: "an expired key", headers: ({ worthless }) => apiKey(worthless.expiredKey) },
  {
    name: "a bad key beside a good token",
    headers: ({ ours }) => ({ ...apiKey(`wrn_${hex(16)}`), ...bearer(ours.people.owner.token) }),
  },
  { name: "garbage for a token", headers: () => bearer("a.b.c") },
  { name: "another scheme", headers: ({ ours }) => ({ authorization: `Basic ${ours.people.owner.token}` }) },
  { name: "a forged token", headers: ({ ours }) => bearer(forged(ours.people.owner.token)) },
  { name: "an unsigned token", headers: ({ ours }) => bearer(unsigned(ours)) },
  { name: "an expired token", headers: ({ worthless }) => bearer(worthless.expiredToken) },
  { name: "the token of an ended session", headers: ({ worthless }) => bearer(worthless.endedToken) },
  { name: "the token of a removed member", headers: ({ worthless }) => bearer(worthless.removedToken) },
  { name: "a host's token for a person's", headers: ({ worthless }) => bearer(worthless.hostToken) },
  {
    name: "a host",
    host: true,
    headers: ({ worthless }) => ({ "x-host-token": worthless.hostToken }),
  },
  {
    name: "a person's token for a host's",
    headers: ({ ours }) => ({ "x-host-token": ours.people.owner.token }),
  },
];

function person(role: "member" | "admin" | "owner"): Requester {
  const login = ({ ours }: World): Login => ours.people[role];
  return { name: role, role, login, headers: (world) => bearer(login(world).token) };
}

/** Those with good credentials. */
export const somebodies: readonly Requester[] = [
  { name: "key", scopes, headers: ({ ours }) => apiKey(ours.keys.all) },
  { name: "key to read", scopes: ["read"], headers: ({ ours }) => apiKey(ours.keys.read) },
  { name: "key to run", scopes: ["run"], headers: ({ ours }) => apiKey(ours.keys.run) },
  { name: "key to manage", scopes: ["manage"], headers: ({ ours }) => apiKey(ours.keys.manage) },
  { name: "key for ports", scopes: ["ports"], headers: ({ ours }) => apiKey(ours.keys.ports) },
  { name: "key for egress", scopes: ["egress"], headers: ({ ours }) => apiKey(ours.keys.egress) },
  person("member"),
  person("admin"),
  person("owner"),
  {
    name: "stranger",
    role: "owner",
    outside: true,
    login: ({ stranger }) => stranger.people.owner,
    headers: ({ stranger }) => bearer(stranger.people.owner.token),
  },
  {
    name: "stranger's key",
    scopes,
    outside: true,
    headers: ({ stranger }) => apiKey(stranger.keys.all),
  },
  {
    name: "administrator of the platform",
    role: "owner",
    outside: true,
    platform: true,
    login: ({ admin }) => admin.people.owner,
    headers: ({ admin }) => bearer(admin.people.owner.token),
  },
];

function isScope(access: Access): access is Scope {
  return scopes.some((scope) => scope === access);
}

const ranks = ["member", "admin", "owner"];

/** Whether somebody is let to a route at all, whatever it is about. */
export function mayAsk({ scopes: granted, role, host, platform }: Requester, access: Access): boolean {
  if (access === "platform") return platform === true;
  if (access === "open") return true;
  if (access === "host") return host === true;
  if (isScope(access)) return role !== undefined || granted?.includes(access) === true;
  return role !== undefined && ranks.indexOf(role) >= ranks.indexOf(access === "person" ? "member" : access);
}

/** Statuses of which a request must get one. */
export function expectedStatuses(who: Requester, wanted: Expectation, target: Target): readonly number[] {
  if (wanted.access === "open") return [wanted.ok];
  if (wanted.access !== "host" && !who.scopes && !who.role) return [401];
  if (!mayAsk(who, wanted.access)) {
    if (wanted.access === "host") return target === "malformed" ? [400, 401] : [401];
    // A key of another scope is refused for that, one that may do all of it for being no person.
    if (who.scopes) {
      const refusals = isScope(wanted.access)
        ? [403]
        : who.scopes.length === scopes.length
          ? [401]
          : [401, 403];
      return target.endsWith("malformed") ? [...refusals, 400] : refusals;
    }
    // Who does not administer the platform gets no further, whatever it is about.
    if (wanted.access === "platform") return [403];
    // The role is looked at for a thing that is there; what is malformed may be told before.
    if (target === "nothing" || (target === "own" && !who.outside)) return [403];
    return target.endsWith("malformed") ? [400, 403] : [403, wanted.absent];
  }
  if (target === "nothing") return [wanted.but[who.name] ?? wanted.ok];
  if (target === "malformed") return [wanted.malformed];
  const reaches = who.platform && wanted.platform;
  if (target === "own" && (!who.outside || reaches)) return [wanted.but[who.name] ?? wanted.ok];
  if (target === "foreign" && reaches) return [wanted.ok];
  if (target === "unknown" && reaches) return [404];
  if (target === "own" || target === "foreign" || target === "unknown") return [wanted.absent];
  if (who.outside && !reaches)
    return target === "nested malformed" ? [wanted.malformed, wanted.absent] : [wanted.absent];
  return target === "nested malformed" ? [wanted.malformed] : [wanted.nested];
}

/** None of these is an id of its kind. */
export const malformedIds: Ids = {
  capsule: "cl-NOT",
  checkpoint: "first",
  process: "a\nb",
  upload: "up-",
  port: "http",
  link: "link-",
  template: "nothing of this name",
  version: "first",
  build: "bld-",
  channel: "ch-",
  host: "cl-0000000000000000000000000",
  tag: "-",
  key: "key-zzzzzzzzzzzzzzzzzzzzzzzzz",
  invitation: "1",
  received: "1",
  provider: "no provider",
  session: "ses-",
  team: "team-%00",
  user: "nobody",
};
