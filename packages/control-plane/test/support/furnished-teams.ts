import assert from "node:assert/strict";
import { DAY_MS, formatId, newId, parseId, randomHex, silentLogger, systemRandom } from "@wrenn/core";
import {
  apiKeyQueries,
  buildQueries,
  hostQueries,
  invitationQueries,
  portLinkQueries,
  teamQueries,
  templateQueries,
  userQueries,
} from "@wrenn/database";
import type { Role } from "@wrenn/database";
import { AccessTokens } from "../../src/accounts/access-tokens.ts";
import { Passwords } from "../../src/accounts/passwords.ts";
import { Sessions } from "../../src/accounts/sessions.ts";
import { SignedTokens } from "../../src/secrets/signed-tokens.ts";
import { hashApiKey } from "../../src/accounts/api-key-auth.ts";
import { scopes } from "../../src/http/identity.ts";
import type { Scope } from "../../src/http/identity.ts";
import { furniture } from "./furnished-host-agent.ts";
import type { TestPlatform } from "./test-platform.ts";

/** Of everybody here. */
export const PASSWORD = "the password of everybody";

/** From where everybody is logged in. */
const CLIENT = { address: "127.0.0.1", userAgent: "tests" };

/** Kinds of things that a path or a body names. */
export type Kind =
  | "capsule"
  | "checkpoint"
  | "process"
  | "upload"
  | "port"
  | "link"
  | "template"
  | "version"
  | "build"
  | "channel"
  | "host"
  | "tag"
  | "key"
  | "invitation"
  | "received"
  | "provider"
  | "session"
  | "team"
  | "user";

/** Kinds that are used up, and made again. */
export type Made =
  | "capsule"
  | "link"
  | "template"
  | "build"
  | "channel"
  | "host"
  | "key"
  | "invitation"
  | "user";

export type Ids = Readonly<Record<Kind, string>>;

const nothing: Ids = {
  capsule: "",
  checkpoint: furniture.checkpoint,
  process: furniture.tag,
  upload: furniture.upload,
  port: "8080",
  link: "",
  template: "",
  version: "1",
  build: "",
  channel: "",
  host: "",
  tag: "",
  key: "",
  invitation: "",
  received: "",
  // None is set up: what they answer is the same for everybody.
  provider: "nowhere",
  session: newId("session", systemRandom),
  team: "",
  user: "",
};

export interface Login {
  readonly userId: string;
  readonly email: string;
  readonly token: string;
}

/** A team with people of every role and one thing of every kind, all of them named after its marker. */
export interface FurnishedTeam {
  readonly marker: string;
  people: Readonly<Record<Role, Login>>;
  readonly keys: Readonly<Record<Scope | "all", string>>;
  ids: Ids;
}

/** Makes teams, and their things again when a request has used them up. */
export class Furnisher {
  readonly #platform: TestPlatform;
  readonly #sessions: Sessions;
  readonly #passwordHash: string;
  readonly #hostId: string;

  readonly #makers: Readonly<Record<Made, (team: FurnishedTeam) => Promise<string>>> = {
    capsule: async (team) => {
      const key = team.keys.all;
      // The host is small: what was there before goes.
      if (team.ids.capsule !== "")
        await this.#platform.call("DELETE", `/v1/capsules/${team.ids.capsule}`, { key });
      const made = await this.#platform.call("POST", "/v1/capsules", { key, body: {} });
      assert.equal(made.status, 201, JSON.stringify(made.body));
      return String(made.body["id"]);
    },
    link: async (team) => {
      const id = systemRandom.uuid();
      const { db } = this.#platform.database;
      const link = {
        id,
        capsuleId: parseId("capsule", team.ids.capsule),
        port: Number(team.ids.port),
        teamId: parseId("team", team.ids.team),
        creator: { userId: parseId("user", team.people.owner.userId) },
        createdAt: new Date(this.#platform.clock.now()),
        expiresAt: new Date(this.#platform.clock.now() + DAY_MS),
      };
      await db
        .transaction()
        .execute(async (trx) => void (await portLinkQueries.insertPortLink(trx, link, 1000)));
      return formatId("portLink", id);
    },
    template: async (team) => {
      const { db } = this.#platform.database;
      const { marker } = team;
      const name = `${marker}-${randomHex(systemRandom, 4)}`;
      const id = systemRandom.uuid();
      const template = {
        id,
        teamId: parseId("team", team.ids.team),
        name,
        hostKey: `tpl-${id}`,
        hostId: this.#hostId,
        vcpus: 1,
        memoryMib: 512,
        sizeBytes: 1,
        metadata: { note: marker },
        diskMib: 5120,
        envNames: [],
      };
      await templateQueries.putTemplate(db, template);
      // Tags of templates are named like those of hosts.
      await templateQueries.setTag(db, { teamId: template.teamId, name, tag: tagOf(team) }, id);
      return name;
    },
    build: async (team) => {
      const { db } = this.#platform.database;
      const { marker } = team;
      const id = systemRandom.uuid();
      const build = {
        id,
        teamId: parseId("team", team.ids.team),
        name: marker,
        tag: "default",
        baseTemplate: "minimal",
        recipe: [`RUN echo ${marker}`],
        healthcheck: "",
        vcpus: 1,
        memoryMib: 512,
        skipPrePost: true,
        recipeText: undefined,
        recipeOptions: {},
        secrets: undefined,
        totalSteps: 1,
        actor: undefined,
      };
      // One that runs: no worker takes it from the queue, and no sweep looks at what begins in the future.
      const { id: owner } = await db.selectFrom("control_planes").select("id").executeTakeFirstOrThrow();
      const running = { status: "running", owner, started_at: new Date("2999-01-01") } as const;
      await db.transaction().execute(async (trx) => {
        await buildQueries.insertBuild(trx, build);
        await trx.updateTable("builds").set(running).where("id", "=", id).execute();
      });
      return formatId("build", id);
    },
    channel: async (team) => {
      const { marker } = team;
      const { token } = team.people.owner;
      const made = await this.#platform.call("POST", "/v1/channels", {
        token,
        body: {
          name: `${marker}-${randomHex(systemRandom, 4)}`,
          provider: "webhook",
          config: { url: `https://${marker}.example.org/`, secret: `secret of ${marker}, long enough` },
          events: ["host.up"],
        },
      });
      assert.equal(made.status, 201, JSON.stringify(made.body));
      return String(made.body["id"]);
    },
    host: async (team) => {
      const { db } = this.#platform.database;
      const { marker } = team;
      const id = systemRandom.uuid();
      await hostQueries.insertHost(db, {
        id,
        type: "byoc",
        teamId: parseId("team", team.ids.team),
        provider: `provider ${marker}`,
        availabilityZone: `zone ${marker}`,
        createdBy: parseId("user", team.people.owner.userId),
      });
      await hostQueries.addHostTag(db, id, tagOf(team));
      return formatId("host", id);
    },
    key: async (team) => {
      const { db } = this.#platform.database;
      const { marker } = team;
      const key = await this.#key(parseId("team", team.ids.team), marker, ["read"]);
      const row = db.selectFrom("api_keys").select("id").where("key_hash", "=", hashApiKey(key));
      return formatId("apiKey", (await row.executeTakeFirstOrThrow()).id);
    },
    invitation: async (team) => {
      const { marker } = team;
      return await this.invite(team, `${marker}-${randomHex(systemRandom, 4)}@example.org`);
    },
    user: async (team) => {
      const { marker } = team;
      return (await this.login(marker, { teamId: parseId("team", team.ids.team), role: "member" })).userId;
    },
  };

  private constructor(platform: TestPlatform, sessions: Sessions, passwordHash: string, hostId: string) {
    this.#platform = platform;
    this.#sessions = sessions;
    this.#passwordHash = passwordHash;
    this.#hostId = hostId;
  }

  static async open(platform: TestPlatform): Promise<Furnisher> {
    const { database, clock } = platform;
    const signed = await SignedTokens.open({
      database,
      clock,
      random: systemRandom,
      logger: silentLogger,
    });
    const sessions = new Sessions(database, new AccessTokens(signed), clock, systemRandom);
    const host = await database.db.selectFrom("hosts").select("id").executeTakeFirstOrThrow();
    return new Furnisher(platform, sessions, await new Passwords(systemRandom).hash(PASSWORD), host.id);
  }

  /** `marker` is in every name; it has lower-case letters only. */
  async team(marker: string): Promise<FurnishedTeam> {
    const { db } = this.#platform.database;
    const id = systemRandom.uuid();
    await teamQueries.insertTeam(db, {
      id,
      name: `team ${marker}`,
      slug: `${marker}-${randomHex(systemRandom, 3)}`,
    });
    const people = {
      owner: await this.login(marker, { teamId: id, role: "owner" }),
      admin: await this.login(marker, { teamId: id, role: "admin" }),
      member: await this.login(marker, { teamId: id, role: "member" }),
    };
    const keys = {
      all: await this.#key(id, marker, scopes),
      read: await this.#key(id, marker, ["read"]),
      run: await this.#key(id, marker, ["run"]),
      manage: await this.#key(id, marker, ["manage"]),
      ports: await this.#key(id, marker, ["ports"]),
      egress: await this.#key(id, marker, ["egress"]),
    };
    const ids = { ...nothing, team: formatId("team", id) };
    const team: FurnishedTeam = { marker, people, keys, ids };
    for (const kind of [
      "capsule",
      "template",
      "build",
      "channel",
      "host",
      "key",
      "invitation",
      "user",
    ] as const)
      await this.renew(team, kind);
    return team;
  }

  /** Puts a fresh thing in the place of one that is used up. */
  async renew(team: FurnishedTeam, kind: Made): Promise<void> {
    const fresh = await this.#makers[kind](team);
    team.ids = {
      ...team.ids,
      [kind]: fresh,
      ...(kind === "host" ? { tag: tagOf(team) } : {}),
      ...(kind === "invitation" ? { received: fresh } : {}),
    };
    // Links are a capsule's.
    if (kind === "capsule") await this.renew(team, "link");
  }

  /** Lets the owner log in anew: tokens end after a while, and sessions by what is done with them. */
  async logInOwner(team: FurnishedTeam): Promise<void> {
    const { owner } = team.people;
    const token = await this.#logIn(parseId("user", owner.userId), parseId("team", team.ids.team));
    team.people = { ...team.people, owner: { ...owner, token } };
  }

  /** An invitation of the team to somebody. */
  async invite(team: FurnishedTeam, email: string): Promise<string> {
    const id = systemRandom.uuid();
    await invitationQueries.putInvitation(this.#platform.database.db, {
      id,
      teamId: parseId("team", team.ids.team),
      email,
      role: "member",
      invitedBy: parseId("user", team.people.owner.userId),
      expiresAt: new Date(this.#platform.clock.now() + DAY_MS),
    });
    return id;
  }

  /** Somebody new who acts in a team. */
  async login(
    marker: string,
    as: { readonly teamId: string; readonly role: Role; readonly isAdmin?: boolean },
  ): Promise<Login> {
    const { db } = this.#platform.database;
    const id = systemRandom.uuid();
    const email = `${marker}-${randomHex(systemRandom, 4)}@example.org`;
    await userQueries.insertUser(db, {
      id,
      email,
      name: `person of ${marker}`,
      passwordHash: this.#passwordHash,
      status: "active",
      isAdmin: as.isAdmin ?? false,
    });
    await userQueries.insertMembership(db, { userId: id, teamId: as.teamId, role: as.role, isDefault: true });
    const token = await this.#logIn(id, as.teamId);
    return { userId: formatId("user", id), email, token };
  }

  async #logIn(userId: string, teamId: string): Promise<string> {
    const begun = await this.#platform.database.db
      .transaction()
      .execute(async (trx) => await this.#sessions.begin(trx, { userId, teamId, client: CLIENT }));
    return (await this.#sessions.opened(begun)).token;
  }

  async #key(teamId: string, marker: string, scopes: readonly Scope[]): Promise<string> {
    const key = `wrn_${randomHex(systemRandom, 16)}`;
    await apiKeyQueries.insertApiKey(this.#platform.database.db, {
      id: systemRandom.uuid(),
      teamId,
      name: `key of ${marker}`,
      hash: hashApiKey(key),
      prefix: key.slice(0, 10),
      scopes: [...scopes],
    });
    return key;
  }
}

function tagOf({ marker }: FurnishedTeam): string {
  return `tag-of-${marker}`;
}

/** Well-formed, and nobody's. */
export function unknownIds(): Ids {
  return {
    capsule: newId("capsule", systemRandom),
    checkpoint: "g999",
    process: "nobody",
    upload: newId("upload", systemRandom),
    port: "9999",
    link: newId("portLink", systemRandom),
    template: "nobody",
    version: "999",
    build: newId("build", systemRandom),
    channel: newId("channel", systemRandom),
    host: newId("host", systemRandom),
    tag: "nobody",
    key: newId("apiKey", systemRandom),
    invitation: systemRandom.uuid(),
    received: systemRandom.uuid(),
    team: newId("team", systemRandom),
    provider: "elsewhere",
    session: newId("session", systemRandom),
    user: newId("user", systemRandom),
  };
}
