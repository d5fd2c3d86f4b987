import { Capsule } from "@wrenn/sdk";
import { Sandbox } from "e2b";
import { samplePairs, timed } from "../row.ts";
import type { ApiServer, Row } from "../row.ts";

const TEMPLATE = "minimal";
const COMMAND = "true";
/** What E2B's client runs for {@link COMMAND}. */
const SHELL = { program: "/bin/bash", args: ["-l", "-c", COMMAND], user: "user" };
/** Each takes two machines. */
const CREATE_PAIRS = 2;
const EXEC_PAIRS = 10;
const TRANSFERS = 5;
const FILE_BYTES = 1_000_000;
const SANDBOXES = 20;

/** What users of E2B's client set by environment variables. */
const optionsOf = ({ url, apiKey }: ApiServer) => ({
  apiKey,
  apiUrl: url,
  sandboxUrl: url,
  timeoutMs: 3_600_000,
});

/** E2B's client and the project's own run the same command line, each in a new machine of the same template that ends outside of the time. */
export const e2bCreateToRun: Row = {
  name: "E2B client, create to first command: to the SDK",
  unit: "ratio",
  askedDifferenceMs: 40,
  prepare: async ({ server }) => {
    const { url, apiKey } = server;
    const started: (() => Promise<unknown>)[] = [];
    const sample = samplePairs(
      CREATE_PAIRS,
      async () => {
        const sandbox = await Sandbox.create(TEMPLATE, optionsOf(server));
        started.push(() => sandbox.kill());
        await sandbox.commands.run(COMMAND);
      },
      async () => {
        const capsule = await Capsule.create({ template: TEMPLATE, url, apiKey });
        started.push(() => capsule.destroy());
        await capsule.commands.run(SHELL.program, { args: SHELL.args, user: SHELL.user });
      },
    );
    const end = async (): Promise<void> => {
      await Promise.all(started.splice(0).map((one) => one()));
    };
    return {
      sample: async () => {
        const pairs = await sample();
        await end();
        return pairs;
      },
      dispose: end,
    };
  },
};

/** Both run the command line that E2B's client sends, as the same user, in one sandbox. */
export const e2bRun: Row = {
  name: "E2B client, run true: to exec",
  unit: "ratio",
  askedDifferenceMs: 4,
  prepare: async ({ server, api }) => {
    const sandbox = await Sandbox.create(TEMPLATE, optionsOf(server));
    const exec = { cmd: SHELL.program, args: SHELL.args, user: SHELL.user };
    const path = `/v1/capsules/cl-${sandbox.sandboxId}/exec`;
    return {
      sample: samplePairs(
        EXEC_PAIRS,
        () => sandbox.commands.run(COMMAND),
        () => api("POST", path, exec),
      ),
      dispose: async () => void (await sandbox.kill()),
    };
  },
};

/** @param move - moves the bytes of the file once. */
function transfer(
  name: string,
  move: (sandbox: Sandbox, path: string, bytes: ArrayBuffer) => Promise<unknown>,
): Row {
  return {
    name,
    unit: "ms",
    asked: { p50: 25, better: "lower" },
    prepare: async ({ server }) => {
      const sandbox = await Sandbox.create(TEMPLATE, optionsOf(server));
      const path = "/home/user/file";
      const bytes = new Uint8Array(FILE_BYTES).map((_, at) => at % 251).buffer;
      await sandbox.files.write(path, bytes);
      return {
        sample: async () => {
          const times: number[] = [];
          for (let n = 0; n < TRANSFERS; n++) times.push(await timed(() => move(sandbox, path, bytes)));
          return times;
        },
        dispose: async () => void (await sandbox.kill()),
      };
    },
  };
}

export const e2bWrite = transfer("E2B client, write of 1 MB", (sandbox, path, bytes) =>
  sandbox.files.write(path, bytes),
);

export const e2bRead = transfer("E2B client, read of 1 MB", async (sandbox, path) => {
  const { length } = await sandbox.files.read(path, { format: "bytes" });
  if (length !== FILE_BYTES) throw new Error(`read ${length} bytes instead of ${FILE_BYTES}`);
});

/** Until all of them run. One that cannot be created fails the row. */
export const e2bParallel: Row = {
  name: `E2B client, ${SANDBOXES} sandboxes created in parallel`,
  unit: "ms",
  maxRounds: 1,
  prepare: async ({ server }) => {
    const options = optionsOf(server);
    return {
      sample: async () => {
        const sandboxes: Sandbox[] = [];
        const start = performance.now();
        const outcomes = await Promise.allSettled(
          Array.from({ length: SANDBOXES }, async () => {
            sandboxes.push(await Sandbox.create(TEMPLATE, options));
          }),
        );
        const elapsed = performance.now() - start;
        await Promise.all(sandboxes.map((sandbox) => sandbox.kill()));
        const failed = outcomes.flatMap((one) => (one.status === "rejected" ? [one.reason as unknown] : []));
        if (failed.length > 0)
          throw new AggregateError(failed, `${failed.length} of ${SANDBOXES} sandboxes were not created`);
        return elapsed;
      },
      dispose: async () => {},
    };
  },
};
