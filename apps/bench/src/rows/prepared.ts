import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { startOwnServer } from "../own-server.ts";
import { timed } from "../row.ts";
import type { BenchContext, Row } from "../row.ts";
import { specOf } from "./capsule-life.ts";
import { workingCapsule } from "./freezing.ts";

const POLL_MS = 50;

/** The host agent alone, with a warmed-up machine that waits for the capsule. */
export const createPooled: Row = {
  name: "create → guest answers, machine waiting (host agent)",
  unit: "ms",
  asked: { p50: 30, better: "lower" },
  prepare: async ({ signal }) => {
    const { server, close } = await startOwnServer({ warmMachines: 1 }, signal);
    return {
      sample: async () => {
        const spec = specOf();
        await machineWaits(server, signal);
        const elapsed = await timed(() => server.hostAgent.createCapsule(spec, signal));
        await server.hostAgent.destroyCapsule(spec.id, signal);
        return elapsed;
      },
      dispose: close,
    };
  },
};

/** Until the answer of the API. */
export const createPooledAnswered: Row = {
  name: "create answered, machine waiting (REST)",
  unit: "ms",
  asked: { p50: 30, better: "lower" },
  prepare: async ({ signal, apiOf }) => {
    const { server, api, close } = await startOwnServer({ warmMachines: 1 }, signal, apiOf);
    return {
      sample: async () => {
        await machineWaits(server, signal);
        let id = "";
        const elapsed = await timed(async () => {
          ({ id } = await api<{ id: string }>("POST", "/v1/capsules", {}));
        });
        await api("DELETE", `/v1/capsules/${id}`);
        return elapsed;
      },
      dispose: close,
    };
  },
};

/** What a user waits for while the host was idle before: create over REST, then the result of the first command. */
export const createPooledToExec: Row = {
  name: "create → sh -c true, machine waiting (REST)",
  unit: "ms",
  asked: { p50: 55, better: "lower" },
  prepare: async ({ signal, apiOf }) => {
    const { server, api, close } = await startOwnServer({ warmMachines: 1 }, signal, apiOf);
    return {
      sample: async () => {
        await machineWaits(server, signal);
        let id = "";
        const elapsed = await timed(async () => {
          ({ id } = await api<{ id: string }>("POST", "/v1/capsules", {}));
          await api("POST", `/v1/capsules/${id}/exec`, { cmd: "sh", args: ["-c", "true"] });
        });
        await api("DELETE", `/v1/capsules/${id}`);
        return elapsed;
      },
      dispose: close,
    };
  },
};

/** Resolves when the pool of a server has a machine. */
export async function machineWaits(
  { hostAgent }: Pick<BenchContext["server"], "hostAgent">,
  signal: AbortSignal,
): Promise<void> {
  while ((await hostAgent.waitingMachines()).count === 0) await setTimeout(POLL_MS, undefined, { signal });
}

/** The machine of the pause was kept; where it was not, the sample fails. */
export const resumeParked: Row = {
  isQuick: true,
  name: "resume → answer, machine parked (REST)",
  unit: "ms",
  asked: { p50: 45, better: "lower" },
  prepare: async ({ signal }) => {
    await using undo = new AsyncDisposableStack();
    const { server, api, close } = await startOwnServer({ parkedMachines: 1 }, signal);
    undo.defer(close);
    const id = await workingCapsule(api);
    undo.move();
    return {
      sample: async () => {
        await api("POST", `/v1/capsules/${id}/pause`);
        const { count } = await server.hostAgent.parkedMachines();
        if (count !== 1)
          throw new Error("the machine of the pause was not kept: is the host short of memory?");
        return await timed(() => api("POST", `/v1/capsules/${id}/resume`));
      },
      dispose: close,
    };
  },
};

/** A capsule whose memory was compressed while it was paused. */
export const resumePacked: Row = {
  name: "resume from packed memory → guest answers (REST)",
  unit: "ms",
  prepare: async ({ signal, apiOf }) => {
    await using undo = new AsyncDisposableStack();
    const { api, capsulesDirectory, close } = await startOwnServer({ packAfterSec: 1 }, signal, apiOf);
    undo.defer(close);
    const { id } = await api<{ id: string }>("POST", "/v1/capsules", { memory_mb: 256 });
    await api("POST", `/v1/capsules/${id}/exec`, { cmd: "python3", args: ["-c", "import json, ssl"] });
    const generations = join(capsulesDirectory, id, "generations");
    const isPacked = async (): Promise<boolean> => {
      const newest = (await readdir(generations)).toSorted(byNumber).at(-1) ?? "";
      const files = await readdir(join(generations, newest));
      return files.includes("memory.chunks") && !files.includes("memory.diff");
    };
    const owned = undo.move();
    return {
      sample: async () => {
        await api("POST", `/v1/capsules/${id}/pause`);
        while (!(await isPacked())) await setTimeout(POLL_MS, undefined, { signal });
        return await timed(() => api("POST", `/v1/capsules/${id}/resume`));
      },
      dispose: () => owned.disposeAsync(),
    };
  },
};

/** `g9` before `g10`. */
function byNumber(left: string, right: string): number {
  return Number(left.slice(1)) - Number(right.slice(1));
}
