import { PassThrough } from "node:stream";
import type { Context, Terminal } from "../../apps/client/src/context.ts";
import { perform } from "../../apps/client/src/perform.ts";

interface VerbResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a verb of the command line in this process, without a terminal, which saves the start of a program. */
export async function runVerb(
  env: Readonly<Record<string, string>>,
  { json }: { readonly json: boolean },
  verb: (context: Context) => Promise<void>,
): Promise<VerbResult> {
  const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const written = { stdout: "", stderr: "" };
  stdout.on("data", (chunk: Buffer) => (written.stdout += chunk.toString()));
  stderr.on("data", (chunk: Buffer) => (written.stderr += chunk.toString()));
  const terminal = { env, stdin, stdout, stderr } as unknown as Terminal;
  const setup = { findLocal: async () => await Promise.resolve(undefined) };
  const code = await perform(terminal, setup, { json }, {}, verb);
  return { code, ...written };
}
