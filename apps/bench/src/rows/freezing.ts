import { timed } from "../row.ts";
import type { ApiContext, ApiRow, ApiRowContext, RunningRow } from "../row.ts";

const CHILDREN = 10;

interface Capsule {
  readonly id: string;
}

/** A 256 MiB capsule in which a Python program keeps a few MiB changed. */
export async function workingCapsule(api: ApiContext["api"]): Promise<string> {
  const { id } = await api<Capsule>("POST", "/v1/capsules", { memory_mb: 256 });
  await api("POST", `/v1/capsules/${id}/exec`, {
    cmd: "python3",
    args: ["-c", "import time\ndata = bytes(range(256)) * 8192\nwhile True: time.sleep(0.1)"],
    background: true,
  });
  await api("POST", `/v1/capsules/${id}/exec`, { cmd: "sleep", args: ["2"] });
  return id;
}

/** A row on one capsule that is brought back to where it was after each sample. */
function onCapsule(
  measure: (context: ApiContext, id: string) => Promise<number>,
): (context: ApiRowContext) => Promise<RunningRow> {
  return async (context) => {
    const id = await workingCapsule(context.api);
    return {
      sample: () => measure(context, id),
      dispose: async () => void (await context.api("DELETE", `/v1/capsules/${id}`)),
    };
  };
}

export const pause: ApiRow = {
  usesApiOnly: true,
  isQuick: true,
  name: "pause → memory free (REST, 256 MiB)",
  unit: "ms",
  asked: { p50: 65, better: "lower" },
  prepare: onCapsule(async ({ api }, id) => {
    const elapsed = await timed(() => api("POST", `/v1/capsules/${id}/pause`));
    await api("POST", `/v1/capsules/${id}/resume`);
    return elapsed;
  }),
};

export const resume: ApiRow = {
  usesApiOnly: true,
  isQuick: true,
  name: "resume → guest answers (REST)",
  unit: "ms",
  asked: { p50: 170, better: "lower" },
  prepare: onCapsule(async ({ api }, id) => {
    await api("POST", `/v1/capsules/${id}/pause`);
    return await timed(() => api("POST", `/v1/capsules/${id}/resume`));
  }),
};

export const checkpointStop: ApiRow = {
  usesApiOnly: true,
  name: "checkpoint: stop window",
  unit: "ms",
  asked: { p50: 70, better: "lower" },
  prepare: onCapsule(async ({ api }, id) => {
    const kept = await api<{ id: string; stopped_ms: number }>("POST", `/v1/capsules/${id}/checkpoints`, {});
    await api("DELETE", `/v1/capsules/${id}/checkpoints/${kept.id}`);
    return kept.stopped_ms;
  }),
};

export const fork: ApiRow = {
  usesApiOnly: true,
  name: `fork ${CHILDREN} children (REST)`,
  unit: "ms",
  asked: { p50: 1200, better: "lower" },
  prepare: onCapsule(async ({ api }, id) => {
    let children: readonly Capsule[] = [];
    const elapsed = await timed(async () => {
      children = await api<readonly Capsule[]>("POST", `/v1/capsules/${id}/fork`, { count: CHILDREN });
    });
    for (const child of children) await api("DELETE", `/v1/capsules/${child.id}`);
    return elapsed;
  }),
};

/** Of a capsule whose memory lies on disk, until its first command has ended. */
export const resumeToExec: ApiRow = {
  usesApiOnly: true,
  name: "resume → sh -c true (REST)",
  unit: "ms",
  asked: { p50: 250, better: "lower" },
  prepare: onCapsule(async ({ api }, id) => {
    await api("POST", `/v1/capsules/${id}/pause`);
    return await timed(async () => {
      await api("POST", `/v1/capsules/${id}/resume`);
      await api("POST", `/v1/capsules/${id}/exec`, { cmd: "sh", args: ["-c", "true"] });
    });
  }),
};

/** All children run their first command at once. */
export const forkToExec: ApiRow = {
  usesApiOnly: true,
  name: `fork ${CHILDREN} children → each has run sh (REST)`,
  unit: "ms",
  asked: { p50: 3000, better: "lower" },
  prepare: onCapsule(async ({ api }, id) => {
    let children: readonly Capsule[] = [];
    const elapsed = await timed(async () => {
      children = await api<readonly Capsule[]>("POST", `/v1/capsules/${id}/fork`, { count: CHILDREN });
      const first = { cmd: "sh", args: ["-c", "true"] };
      await Promise.all(children.map((child) => api("POST", `/v1/capsules/${child.id}/exec`, first)));
    });
    for (const child of children) await api("DELETE", `/v1/capsules/${child.id}`);
    return elapsed;
  }),
};
