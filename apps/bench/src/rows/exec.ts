import { samplePairs, timed } from "../row.ts";
import type { ApiContext, ApiRow, BenchContext, Row } from "../row.ts";
import { withCapsule } from "../capsule.ts";

const PAIRS = 4;
/** A static program of a few kilobytes would measure less of the guest; this is what users run. */
const command = { cmd: "/bin/true", args: [] as string[] };

async function execOverRest({ api }: ApiContext, id: string): Promise<void> {
  await api("POST", `/v1/capsules/${id}/exec`, command);
}

async function execInHostAgent({ server, signal }: BenchContext, id: string): Promise<void> {
  const process = await server.hostAgent
    .processes(id)
    .start({ ...command, envs: {}, stdin: false, output: "attached" }, signal);
  for await (const event of process.output("oldest", signal)) if (event.type === "exit") return;
}

export const execRoundTrip: ApiRow = {
  usesApiOnly: true,
  isQuick: true,
  name: "exec /bin/true (REST)",
  unit: "ms",
  asked: { p50: 20, better: "lower" },
  prepare: async (context) => {
    const { id, dispose } = await withCapsule(context);
    return { sample: () => timed(() => execOverRest(context, id)), dispose };
  },
};

/** REST in to REST out, and the same command through the host agent's own session next to it. */
export const execOverhead: Row = {
  isQuick: true,
  name: "exec /bin/true: REST to host agent",
  unit: "ratio",
  asked: { p50: 1.1, better: "lower" },
  prepare: async (context) => {
    const { id, dispose } = await withCapsule(context);
    return {
      sample: samplePairs(
        PAIRS,
        () => execOverRest(context, id),
        () => execInHostAgent(context, id),
      ),
      dispose,
    };
  },
};

const SHELL = { cmd: "sh", args: ["-c", "true"] };
const PYTHON = { cmd: "python3", args: ["-c", "print(6*7)"] };

/** In a new capsule each time: the command after some of its kind. */
function later(name: string, before: number, what: { cmd: string; args: readonly string[] }): ApiRow {
  const run = async ({ api }: ApiContext, id: string): Promise<void> =>
    void (await api("POST", `/v1/capsules/${id}/exec`, what));
  return {
    usesApiOnly: true,
    name,
    unit: "ms",
    prepare: async (context) => ({
      sample: async () => {
        const { id, dispose } = await withCapsule(context);
        for (let n = 0; n < before; n++) await run(context, id);
        const elapsed = await timed(() => run(context, id));
        await dispose();
        return elapsed;
      },
      dispose: async () => {},
    }),
  };
}

export const thirdShell: ApiRow = {
  ...later("third sh -c true of a capsule (REST)", 2, SHELL),
  asked: { p50: 22, better: "lower" },
};

export const secondPython: ApiRow = {
  ...later("second python3 -c 'print(6*7)' of a capsule (REST)", 1, PYTHON),
  asked: { p50: 180, better: "lower" },
};
