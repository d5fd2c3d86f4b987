import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Capsule } from "@wrenn/sdk";
import { runCommand } from "@wrenn/system";
import { withCapsule } from "../capsule.ts";
import { samplePairs, timed } from "../row.ts";
import type { Row } from "../row.ts";

const CLIENT = fileURLToPath(new URL("../../../../apps/client", import.meta.url));
const LAUNCHER = fileURLToPath(new URL("../../../../wrenn", import.meta.url));
const PACKED = `${CLIENT}/build/package/wrenn.mjs`;
const PAIRS = 10;

/** The command line as client machines get it, without a profile. */
async function wrenn(
  args: readonly string[],
  env: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<void> {
  await runCommand([process.execPath, PACKED, ...args], {
    env: { PATH: process.env["PATH"] ?? "", HOME: "/nonexistent", ...env },
    signal,
  });
}

async function build(signal: AbortSignal): Promise<void> {
  await runCommand(["npm", "run", "build"], { cwd: CLIENT, signal });
}

/** From the start of the process to its end. */
export const clientHelp: Row = {
  name: "wrenn --help, whole process",
  unit: "ms",
  asked: { p50: 150, better: "lower" },
  prepare: async ({ signal }) => {
    await build(signal);
    return {
      sample: async () => await timed(() => wrenn(["--help"], {}, signal)),
      dispose: async () => {},
    };
  },
};

/** The whole process of a short command, and the same command through the SDK of a process that already runs. */
export const clientExec: Row = {
  name: "wrenn exec true, whole process: to the SDK",
  unit: "ratio",
  askedDifferenceMs: 250,
  prepare: async (context) => {
    const { server, signal } = context;
    await build(signal);
    const { id, dispose } = await withCapsule(context);
    const { url, apiKey } = server;
    const capsule = await Capsule.get(id, { url, apiKey });
    const sample = samplePairs(
      PAIRS,
      () => wrenn(["exec", id, "--", "true"], { WRENN_URL: url, WRENN_API_KEY: apiKey }, signal),
      () => capsule.commands.run("true"),
    );
    return {
      sample,
      dispose,
    };
  },
};

/** The whole process of the checkout's command line, and what it asks of the API. */
export const clientRun: Row = {
  name: "wrenn run -- true, whole process: to the API",
  unit: "ratio",
  askedDifferenceMs: 250,
  prepare: async ({ server, signal, api }) => {
    const env = { ...process.env, WRENN_URL: server.url, WRENN_API_KEY: server.apiKey } as Record<
      string,
      string
    >;
    const sample = samplePairs(
      1,
      () => runCommand([LAUNCHER, "run", "--", "true"], { env, signal }),
      async () => {
        const { id } = await api<{ id: string }>("POST", "/v1/capsules", {});
        await api("POST", `/v1/capsules/${id}/exec`, { cmd: "true", args: [] });
        await api("DELETE", `/v1/capsules/${id}`);
      },
    );
    return { sample, dispose: async () => {} };
  },
};

const COPIED_BYTES = 1 << 28;
/** At least 0.9 times as fast. */
const COPY_RATIO = 1 / 0.9;

/** A large file by `wrenn cp`, which compares both sides, and the same bytes as one request without a comparison. */
export const clientCopy: Row = {
  name: "wrenn cp of 256 MiB, whole process: to a raw upload",
  unit: "ratio",
  asked: { p50: COPY_RATIO, better: "lower" },
  prepare: async (context) => {
    const { server, signal } = context;
    await build(signal);
    const { id, dispose } = await withCapsule(context);
    const { url, apiKey } = server;
    const directory = await mkdtemp(join(tmpdir(), "wrenn-bench-copy-"));
    const file = join(directory, "file");
    const bytes = randomBytes(COPIED_BYTES);
    await writeFile(file, bytes);
    const target = new URL(`/v1/capsules/${id}/files/content?path=/root/raw`, url);
    const sample = samplePairs(
      1,
      () =>
        wrenn(["cp", "-q", file, `${id}:/root/copied`], { WRENN_URL: url, WRENN_API_KEY: apiKey }, signal),
      async () => {
        const answer = await fetch(target, {
          method: "PUT",
          headers: { "x-api-key": apiKey },
          body: bytes,
          signal,
        });
        if (!answer.ok) throw new Error(`upload answered ${answer.status}`);
        await answer.arrayBuffer();
      },
    );
    return {
      sample,
      dispose: async () => {
        await rm(directory, { recursive: true, force: true });
        await dispose();
      },
    };
  },
};
