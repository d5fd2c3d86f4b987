import assert from "node:assert/strict";
import { eventually } from "@wrenn/core/testing";
import { parseRecipe, planRecipe, sourcesOf } from "@wrenn/recipe";
import {
  digestSources,
  findArchives,
  packSources,
  readContext,
  readIgnoreFile,
  resolveSources,
} from "@wrenn/recipe/context";
import type { PackedCopy } from "@wrenn/recipe/context";
import type { TestServer } from "./test-server.ts";

/** A build as the API describes it. */
export interface WireBuild {
  readonly id: string;
  readonly status: string;
  readonly error?: string;
  readonly reason?: string;
  readonly dropped_lines?: number;
  readonly sandbox_id?: string;
  readonly default_user: string;
  readonly default_env: Readonly<Record<string, string>>;
  readonly logs: readonly {
    readonly step: number;
    readonly exit?: number;
    readonly ok: boolean;
    readonly cached: boolean;
    readonly stdout: string;
    readonly elapsed_ms: number;
  }[];
}

/** What of a directory a recipe copies, as a client sends it. */
export interface PackedContext {
  readonly sources: Readonly<Record<string, object>>;
  readonly archive: Uint8Array<ArrayBuffer>;
}

/** Builds of a server in this process. */
export class BuildClient {
  readonly #server: TestServer;
  readonly #timeoutMs: number;

  /** @param timeoutMs - how long a build may take. */
  constructor(server: TestServer, timeoutMs = 120_000) {
    this.#server = server;
    this.#timeoutMs = timeoutMs;
  }

  /** Begins a build; of instructions without the steps around them, which need Debian's servers. */
  async begin(config: object, archive?: Uint8Array<ArrayBuffer>): Promise<string> {
    const answer = await this.request(config, archive);
    const made = (await answer.json()) as WireBuild;
    assert.equal(answer.status, 201, JSON.stringify(made));
    return made.id;
  }

  async request(config: object, archive?: Uint8Array<ArrayBuffer>): Promise<Response> {
    const body = JSON.stringify({ skip_pre_post: true, ...config });
    const form = new FormData();
    form.set("config", body);
    if (archive) form.set("archive", new Blob([archive]), "files.tar");
    return await fetch(new URL("/v1/builds", this.#server.url), {
      method: "POST",
      headers: {
        "x-api-key": this.#server.server.apiKey,
        ...(archive ? {} : { "content-type": "application/json" }),
      },
      body: archive ? form : body,
    });
  }

  async ended(id: string): Promise<WireBuild> {
    let build: WireBuild | undefined;
    await eventually(
      "the build has ended",
      async () => {
        build = (await this.#server.call<WireBuild>("GET", `/v1/builds/${id}`)).body;
        return build.status !== "pending" && build.status !== "running";
      },
      { timeoutMs: this.#timeoutMs, details: () => JSON.stringify(build) },
    );
    return build ?? assert.fail();
  }

  /** Builds from a text, with the files of a directory. */
  async build(name: string, text: string, more: object = {}, context?: string): Promise<WireBuild> {
    const packed = context === undefined ? undefined : await packContext(text, context);
    const config = { name, recipe_text: text, ...(packed && { sources: packed.sources }), ...more };
    return await this.ended(await this.begin(config, packed?.archive));
  }

  async capsules(): Promise<readonly string[]> {
    const { body } = await this.#server.call<readonly { id: string }[]>("GET", "/v1/capsules");
    return body.map(({ id }) => id);
  }
}

/** `c` for each step that was there from an earlier build, `-` for each that was performed. */
export function cachedSteps({ logs }: WireBuild): string {
  return logs.map(({ cached }) => (cached ? "c" : "-")).join("");
}

async function packContext(text: string, directory: string): Promise<PackedContext> {
  const { rules } = await readIgnoreFile(directory, undefined);
  const context = await readContext(directory, { ignore: rules });
  const copies: PackedCopy[] = [];
  const sources: Record<string, object> = {};
  for (const { number, action } of planRecipe(parseRecipe(text)).steps) {
    const needed = sourcesOf(action);
    if (needed === undefined) continue;
    const copy = resolveSources(context, needed, { file: "recipe" });
    copies.push({ directory: `${number}`, copy });
    const archives = needed.unpack ? [...(await findArchives(context, copy)).keys()] : [];
    sources[number] = { digest: await digestSources(context, copy), single: copy.isTarget, archives };
  }
  const pieces: Uint8Array[] = [];
  for await (const piece of packSources(context, copies)) pieces.push(piece);
  return { sources, archive: new Uint8Array(Buffer.concat(pieces)) };
}
