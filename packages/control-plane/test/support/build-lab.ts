import assert from "node:assert/strict";
import { eventually } from "@wrenn/core/testing";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import { FakeTemplateBuilder } from "./fake-template-builder.ts";
import { TestPlatform } from "./test-platform.ts";
import type { Answer, Person } from "./test-platform.ts";

/** A host that says what capsules were started from, and which files it was asked to remove. */
class StartingHost extends FakeHostAgent {
  readonly started: string[] = [];
  readonly removed: string[] = [];
  override async deleteSnapshot(key: string): Promise<void> {
    this.removed.push(key);
  }
  override async createCapsule(...[spec, signal]: Parameters<FakeHostAgent["createCapsule"]>) {
    this.started.push(spec.template);
    return await super.createCapsule({ ...spec, template: "minimal" }, signal);
  }
}

/** A platform whose builds are run by a fake builder, and a person that starts them. */
export class BuildLab implements AsyncDisposable {
  readonly platform: TestPlatform;
  readonly builder: FakeTemplateBuilder;
  readonly host: StartingHost;
  readonly owner: Person;

  private constructor(
    platform: TestPlatform,
    builder: FakeTemplateBuilder,
    host: StartingHost,
    owner: Person,
  ) {
    this.platform = platform;
    this.builder = builder;
    this.host = host;
    this.owner = owner;
  }

  static async open(): Promise<BuildLab> {
    let hostId = "";
    const builder = new FakeTemplateBuilder(() => hostId);
    const host = new StartingHost();
    const platform = await TestPlatform.start({ host, templateBuilder: builder });
    const row = await platform.database.db.selectFrom("hosts").select("id").executeTakeFirstOrThrow();
    hostId = row.id;
    return new BuildLab(platform, builder, host, await platform.person("owner"));
  }

  get token(): string {
    return this.owner.token;
  }

  async call(method: string, path: string, body?: unknown, url?: string): Promise<Answer> {
    const { token } = this;
    return await this.platform.call(method, path, {
      token,
      ...(body === undefined ? {} : { body }),
      ...(url === undefined ? {} : { url }),
    });
  }

  /** Starts a build of these instructions alone. */
  async start(name: string, recipe: readonly string[], more: object = {}): Promise<string> {
    const answer = await this.call("POST", "/v1/builds", { name, recipe, skip_pre_post: true, ...more });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return String(answer.body["id"]);
  }

  /** Starts a build of a text. */
  async startText(name: string, text: string, more: object = {}): Promise<string> {
    const answer = await this.call("POST", "/v1/builds", { name, recipe_text: text, ...more });
    assert.equal(answer.status, 201, JSON.stringify(answer.body));
    return String(answer.body["id"]);
  }

  async get(id: string): Promise<Answer["body"]> {
    const answer = await this.call("GET", `/v1/builds/${id}`);
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    return answer.body;
  }

  /** Waits until a build has a status; returns the build. */
  async reaches(id: string, status: string): Promise<Answer["body"]> {
    let build: Answer["body"] = {};
    await eventually(`the build is ${status}`, async () => {
      build = await this.get(id);
      return build["status"] === status;
    });
    return build;
  }

  /** Every line of a log, as `stream text`; times are left out. */
  async lines(id: string): Promise<readonly string[]> {
    const all: string[] = [];
    for (let from = 0; ;) {
      const { body } = await this.call("GET", `/v1/builds/${id}/logs?from=${from}`);
      const { lines, next_from: next } = body as unknown as {
        readonly lines: readonly { readonly stream: string; readonly text: string }[];
        readonly next_from: number;
      };
      if (lines.length === 0) return all;
      all.push(...lines.map(({ stream, text }) => `${stream} ${text}`.replace(/ (in|after) [\d.]+ s$/, "")));
      from = next;
    }
  }

  /** Bytes of archives that are stored. */
  async storedBytes(): Promise<number> {
    const { db } = this.platform.database;
    const rows = await db.selectFrom("build_archives").select("size_bytes").execute();
    return rows.reduce((sum, row) => sum + Number(row.size_bytes), 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.builder.release();
    await this.platform[Symbol.asyncDispose]();
  }
}
