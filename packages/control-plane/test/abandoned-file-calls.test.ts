import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { FakeHostAgent } from "@wrenn/protocol/testing";
import type { CapsuleFiles, FileOptions } from "@wrenn/protocol";
import { TestPlatform } from "./support/test-platform.ts";

/** A host whose file calls end only when they are aborted. */
class SlowHost extends FakeHostAgent {
  readonly running = new Set<string>();

  override files(id: string): CapsuleFiles {
    const slow = async (name: string, { signal }: FileOptions): Promise<never> => {
      this.running.add(name);
      return await new Promise((_, reject) => {
        signal.addEventListener("abort", () => {
          this.running.delete(name);
          reject(signal.reason as Error);
        });
      });
    };
    return Object.assign(Object.create(super.files(id)) as CapsuleFiles, {
      list: (_path: string, _depth: number, options: FileOptions) => slow("list", options),
      remove: (_path: string, options: FileOptions) => slow("remove", options),
      move: (_from: string, _to: string, options: FileOptions) => slow("move", options),
      copy: (_from: string, _to: string, options: FileOptions) => slow("copy", options),
      changeMode: (_path: string, _mode: number, options: FileOptions) => slow("chmod", options),
    });
  }
}

const host = new SlowHost();
const platform = await TestPlatform.start({ host });
after(() => platform[Symbol.asyncDispose]());

test("a file call ends at its host when the client leaves", async () => {
  const created = await platform.call("POST", "/v1/capsules", { key: platform.apiKey, body: {} });
  const id = String(created.body["id"]);
  const bodies = {
    list: { path: "/root", depth: 9 },
    remove: { path: "/root/a" },
    move: { source: "/root/a", destination: "/root/b" },
    copy: { source: "/root/a", destination: "/root/b" },
    chmod: { path: "/root/a", mode: "0755", recursive: true },
  };
  for (const [verb, body] of Object.entries(bodies)) {
    const leaving = new AbortController();
    const answer = fetch(`${platform.url}/v1/capsules/${id}/files/${verb}`, {
      method: "POST",
      headers: { "x-api-key": platform.apiKey, "content-type": "application/json" },
      body: JSON.stringify(body),
      signal: leaving.signal,
    });
    const left = assert.rejects(answer, /gone/);
    await eventually(`${verb} runs`, () => host.running.has(verb));
    leaving.abort(new Error("gone"));
    await left;
    await eventually(`${verb} no longer runs`, () => !host.running.has(verb));
  }
});
