import { PassThrough } from "node:stream";
import type { Terminal } from "@wrenn/client";
import { buildBuiltIn } from "../../apps/cli/src/commands/build-built-in.ts";
import type { BuildBuiltInSources, BuiltInResult } from "../../apps/cli/src/commands/build-built-in.ts";
import type { TestServer } from "./test-server.ts";

export interface BuiltInBuild {
  readonly code: number;
  readonly results: readonly BuiltInResult[];
  /** What is printed under `--json`. */
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `wrenn template build --builtin` as the operator of the server, in this process. */
export async function runBuiltInBuild(
  { server, cache }: { readonly server: TestServer; readonly cache: string },
  builtin: string,
  sources: BuildBuiltInSources = {},
): Promise<BuiltInBuild> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const written = { stdout: "", stderr: "" };
  stdout.on("data", (chunk: Buffer) => (written.stdout += chunk.toString()));
  stderr.on("data", (chunk: Buffer) => (written.stderr += chunk.toString()));
  const env = { WRENN_DATA_DIR: server.dataDirectory, WRENN_CACHE_DIR: cache, PATH: process.env["PATH"] };
  const terminal = { env, stdin, stdout, stderr } as unknown as Terminal;
  const options = { builtin, json: true, progress: "plain" } as const;
  const code = await buildBuiltIn(options, terminal, sources);
  const results = code === 0 ? (JSON.parse(written.stdout) as readonly BuiltInResult[]) : [];
  return { code, results, ...written };
}
