import assert from "node:assert/strict";
import type { SeededRandom } from "./seeded-random.ts";

interface Answer {
  readonly status: number;
  readonly body: unknown;
}

/** Calls of a team, of which one has a host that lies. */
export function apiCaller(url: string, key: string, patienceMs: number) {
  const call = async (method: string, path: string, body?: unknown): Promise<Answer> => {
    const response = await fetch(url + path, {
      method,
      headers: { "x-api-key": key, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(patienceMs),
    });
    const text = await response.text();
    try {
      return { status: response.status, body: text === "" ? undefined : (JSON.parse(text) as unknown) };
    } catch {
      return { status: response.status, body: text };
    }
  };

  /** A running capsule, or undefined. */
  const create = async (template = "minimal"): Promise<string | undefined> => {
    const made = await call("POST", "/v1/capsules", { template }).catch(() => undefined);
    const { id, status } = (made?.body ?? {}) as { readonly id?: string; readonly status?: string };
    return made?.status === 201 && status === "running" ? id : undefined;
  };

  const capsules = async (): Promise<readonly string[]> => {
    const { body } = await call("GET", "/v1/capsules");
    return Array.isArray(body) ? body.map((one: { readonly id: string }) => one.id) : [];
  };

  const snapshot = async (id: string, name: string): Promise<void> => {
    const { status, body } = await call("POST", "/v1/snapshots", { sandbox_id: id, name });
    assert.equal(status, 201, JSON.stringify(body));
  };

  return {
    create,
    capsules,
    snapshot,

    /** What a team does all day; each request has to succeed in time. */
    useEverything: async (): Promise<void> => {
      const id = await create();
      assert.ok(id !== undefined, "an honest team cannot create a capsule");
      const path = `/v1/capsules/${id}`;
      const expect = async (
        wanted: number,
        method: string,
        target: string,
        body?: unknown,
      ): Promise<Answer> => {
        const answer = await call(method, target, body);
        assert.equal(answer.status, wanted, `${method} ${target}: ${JSON.stringify(answer.body)}`);
        return answer;
      };
      await expect(200, "POST", `${path}/pause`);
      await expect(200, "POST", `${path}/resume`);
      const { body: listed } = await expect(200, "GET", "/v1/snapshots");
      const names = (listed as readonly { readonly name: string }[]).map(({ name }) => name);
      assert.deepEqual(names.toSorted(), ["honest-template", "minimal"]);
      const copy = await create("honest-template");
      assert.ok(copy !== undefined, "a team's own template cannot be used");
      await expect(204, "DELETE", `/v1/capsules/${copy}`);
      await expect(204, "DELETE", path);
    },

    /** Something or other on the host that lies; what comes of it is that team's affair. */
    any: async (random: SeededRandom): Promise<void> => {
      try {
        const ids = await capsules();
        if (ids.length < 3) await create();
        const id = ids[random.below(ids.length)] ?? "cl-none";
        const path = `/v1/capsules/${id}`;
        const [method, target, body] = random.pick<readonly [string, string, unknown?]>([
          ["GET", path],
          ["POST", `${path}/exec`, { cmd: "echo", args: ["x"] }],
          ["GET", `${path}/processes`],
          ["GET", `${path}/metrics?range=24h`],
          ["POST", `${path}/pause`],
          ["POST", `${path}/resume`],
          ["POST", `${path}/files/list`, { path: "/", depth: 1 }],
          ["POST", `${path}/files/read`, { path: "/etc/hostname" }],
          ["GET", `${path}/checkpoints`],
          ["POST", `${path}/checkpoints`, {}],
          ["POST", `${path}/fork`, { count: 2 }],
          ["GET", `${path}/network/decisions`],
          ["POST", "/v1/snapshots", { sandbox_id: id, name: `mine-${random.below(3)}` }],
          ["DELETE", `/v1/snapshots/mine-${random.below(3)}`],
          ["GET", "/v1/snapshots"],
          ["DELETE", path],
        ]);
        await call(method, target, body);
      } catch (error) {
        // The client gave up, as clients of a host that does not answer do.
        if (
          !(error instanceof Error) ||
          !/abort|timeout|terminated|fetch failed/i.test(`${error.name} ${error.message}`)
        )
          throw error;
      }
    },
  };
}
