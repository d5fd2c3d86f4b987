import { timed } from "../row.ts";
import type { BenchContext, Row } from "../row.ts";

/** A static program of a few kilobytes would measure less of the guest; this is what users run. */
const command = { cmd: "/bin/true", args: [] as string[] };

async function execOverRest({ api }: BenchContext, id: string): Promise<void> {
  await api("POST", `/v1/capsules/${id}/exec`, command);
}

async function execInHostAgent({ server, signal }: BenchContext, id: string): Promise<void> {
  const process = await server.hostAgent
    .processes(id)
    .start({ ...command, envs: {}, stdin: false, output: "attached" }, signal);
  for await (const event of process.output("oldest", signal)) if (event.type === "exit") return;
}

async function withCapsule(
  context: BenchContext,
): Promise<{ readonly id: string; readonly dispose: () => Promise<void> }> {
  const { id } = await context.api<{ id: string }>("POST", "/v1/capsules", {});
  return { id, dispose: async () => void (await context.api("DELETE", `/v1/capsules/${id}`)) };
}

export const execRoundTrip: Row = {
  name: "exec /bin/true (REST)",
  unit: "ms",
  prepare: async (context) => {
    const { id, dispose } = await withCapsule(context);
    return { sample: () => timed(() => execOverRest(context, id)), dispose };
  },
};

/**
 * REST in to REST out, minus the same command through the host agent's own session: each sample is the difference of
 * two neighbouring runs, so single values may be negative and only the median means something.
 */
export const execOverhead: Row = {
  name: "exec: platform overhead",
  unit: "ms",
  asked: { p50: 3, better: "lower" },
  prepare: async (context) => {
    const { id, dispose } = await withCapsule(context);
    return {
      sample: async () => {
        const direct = await timed(() => execInHostAgent(context, id));
        const rest = await timed(() => execOverRest(context, id));
        return rest - direct;
      },
      dispose,
    };
  },
};
