import { pairedRatio, timed } from "../row.ts";
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

/** REST in to REST out, and the same command through the host agent's own session next to it. Single ratios below 1 are noise. */
export const execOverhead: Row = {
  name: "exec /bin/true: REST to host agent",
  unit: "ratio",
  asked: { p50: 1.1, better: "lower" },
  prepare: async (context) => {
    const { id, dispose } = await withCapsule(context);
    return {
      sample: pairedRatio(
        () => execOverRest(context, id),
        () => execInHostAgent(context, id),
      ),
      dispose,
    };
  },
};
