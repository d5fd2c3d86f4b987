import { execFile } from "node:child_process";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { startOwnServer } from "../own-server.ts";
import { samplePairs } from "../row.ts";
import type { ApiContext, Row } from "../row.ts";

const LAUNCHER = fileURLToPath(new URL("../../../../wrenn", import.meta.url));
const PAIRS = 2;

/** What a template that is built of packages costs its capsules, to the one that every host makes. The build itself takes minutes. */
export const printFromPython: Row = {
  name: "create → python3 prints: template python, to minimal",
  unit: "ratio",
  asked: { p50: 1.1, better: "lower" },
  prepare: async ({ signal }) => {
    await using undo = new AsyncDisposableStack();
    const { api, capsulesDirectory, close } = await startOwnServer({}, signal);
    undo.defer(close);
    const env = { ...process.env, WRENN_DATA_DIR: dirname(capsulesDirectory) };
    await promisify(execFile)(LAUNCHER, ["template", "build", "--builtin", "python"], { env, signal });
    const made: string[] = [];
    const pairs = samplePairs(
      PAIRS,
      async () => made.push(await print(api, "python")),
      async () => made.push(await print(api, "minimal")),
    );
    undo.move();
    return {
      sample: async () => {
        const measured = await pairs();
        for (const id of made.splice(0)) await api("DELETE", `/v1/capsules/${id}`);
        return measured;
      },
      dispose: close,
    };
  },
};

/** Starts a capsule that prints something. @returns its id. */
async function print(api: ApiContext["api"], template: string): Promise<string> {
  const { id } = await api<{ id: string }>("POST", "/v1/capsules", { template });
  const command = { cmd: "python3", args: ["-c", "print(6 * 7)"] };
  const { stdout } = await api<{ stdout: string }>("POST", `/v1/capsules/${id}/exec`, command);
  if (stdout !== "42\n") throw new Error(`a capsule of ${template} printed ${JSON.stringify(stdout)}`);
  return id;
}
