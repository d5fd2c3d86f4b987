import assert from "node:assert/strict";
import { eventually } from "@wrenn/core/testing";
import type { ApiCaller } from "./api-caller.ts";
import type { WireBuild } from "./build-client.ts";

export interface WireLine {
  readonly seq: number;
  readonly step: number;
  readonly text: string;
  readonly ended?: { readonly ok: boolean };
}

/** What tests say to the API about builds, also of a server that is started again meanwhile. */
export class BuildApi {
  /** Of the server that runs now. */
  readonly #api: () => ApiCaller;

  constructor(api: () => ApiCaller) {
    this.#api = api;
  }

  /** Begins a build of a recipe text. */
  async begin(name: string, text: string, more: object = {}): Promise<string> {
    const config = { name, recipe_text: text, memory_mb: 256, ...more };
    const { status, body } = await this.#api().call<WireBuild>("POST", "/v1/builds", config);
    assert.equal(status, 201, JSON.stringify(body));
    return body.id;
  }

  async get(id: string): Promise<WireBuild> {
    return (await this.#api().call<WireBuild>("GET", `/v1/builds/${id}`)).body;
  }

  async ended(id: string): Promise<WireBuild> {
    const isOpen = ({ status }: WireBuild): boolean => status === "pending" || status === "running";
    const build = await eventually(
      "the build has ended",
      async () => {
        const now = await this.get(id);
        return isOpen(now) ? undefined : now;
      },
      { timeoutMs: 180_000 },
    );
    return build;
  }

  async lines(id: string, from = 0): Promise<readonly WireLine[]> {
    const all: WireLine[] = [];
    for (let next = from; ;) {
      const { body } = await this.#api().call<{ lines: readonly WireLine[]; next_from: number }>(
        "GET",
        `/v1/builds/${id}/logs?from=${next}`,
      );
      if (body.lines.length === 0) return all;
      all.push(...body.lines);
      next = body.next_from;
    }
  }

  /** Waits for a line of the log. */
  async says(id: string, isMeant: (line: WireLine) => boolean): Promise<void> {
    await eventually("the log has the line", async () => (await this.lines(id)).some(isMeant), {
      timeoutMs: 120_000,
      intervalMs: 20,
    });
  }

  async capsules(): Promise<readonly string[]> {
    const { body } = await this.#api().call<readonly { id: string }[]>("GET", "/v1/capsules");
    return body.map(({ id }) => id);
  }

  /** Names of the team's templates. */
  async templates(): Promise<readonly string[]> {
    const { body } = await this.#api().call<readonly { name: string; platform: boolean }[]>(
      "GET",
      "/v1/snapshots",
    );
    return body.filter(({ platform }) => !platform).map(({ name }) => name);
  }
}
