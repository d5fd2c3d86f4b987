import { newId, systemRandom } from "@wrenn/core";
import type { CapsuleSpec } from "@wrenn/protocol";
import { timed } from "../row.ts";
import type { ApiContext, ApiRow, Row } from "../row.ts";

/** A capsule of the default template. */
export function specOf(): CapsuleSpec {
  return {
    id: newId("capsule", systemRandom),
    template: "minimal",
    vcpus: 1,
    memoryMib: 512,
    diskMib: 5120,
    timeoutSec: 0,
    envs: {},
  };
}

async function createOverRest({ api }: ApiContext): Promise<string> {
  return (await api<{ id: string }>("POST", "/v1/capsules", {})).id;
}

/** The host agent alone: from the request until the restored guest has answered and is an individual of its own. */
export const createToAnswer: Row = {
  name: "create → guest answers (host agent)",
  unit: "ms",
  asked: { p50: 180, better: "lower" },
  prepare: async ({ server, signal }) => ({
    sample: async () => {
      const spec = specOf();
      const elapsed = await timed(() => server.hostAgent.createCapsule(spec, signal));
      await server.hostAgent.destroyCapsule(spec.id, signal);
      return elapsed;
    },
    dispose: async () => {},
  }),
};

/** Until the answer of the API. */
export const createAnswered: ApiRow = {
  usesApiOnly: true,
  name: "create answered (REST)",
  unit: "ms",
  asked: { p50: 140, better: "lower" },
  prepare: async (context) => ({
    sample: async () => {
      let id = "";
      const elapsed = await timed(async () => void (id = await createOverRest(context)));
      await context.api("DELETE", `/v1/capsules/${id}`);
      return elapsed;
    },
    dispose: async () => {},
  }),
};

/** What a user waits for: create over REST, then the result of the first command. */
export const createToExec: ApiRow = {
  usesApiOnly: true,
  isQuick: true,
  name: "create → sh -c true (REST)",
  unit: "ms",
  asked: { p50: 340, better: "lower" },
  prepare: async (context) => ({
    sample: async () => {
      let id = "";
      const elapsed = await timed(async () => {
        id = await createOverRest(context);
        await context.api("POST", `/v1/capsules/${id}/exec`, { cmd: "sh", args: ["-c", "true"] });
      });
      await context.api("DELETE", `/v1/capsules/${id}`);
      return elapsed;
    },
    dispose: async () => {},
  }),
};

export const destroy: ApiRow = {
  usesApiOnly: true,
  isQuick: true,
  name: "destroy (REST)",
  unit: "ms",
  asked: { p50: 60, better: "lower" },
  prepare: async (context) => ({
    sample: async () => {
      const id = await createOverRest(context);
      return await timed(() => context.api("DELETE", `/v1/capsules/${id}`));
    },
    dispose: async () => {},
  }),
};
