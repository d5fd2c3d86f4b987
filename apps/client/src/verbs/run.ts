import type { Capsule } from "@wrenn/sdk";
import { createCapsule } from "../capsules/create-capsule.ts";
import type { Context } from "../context.ts";
import { Exit } from "../errors/report-failure.ts";
import type { ProgramOptions } from "../programs/program-options.ts";
import { streamProgram } from "../programs/stream-program.ts";

export interface RunVerbOptions extends ProgramOptions {
  readonly template: string;
  readonly vcpus: number;
  /** MiB. */
  readonly memory: number;
  readonly keep?: boolean;
}

/**
 * Runs one program in a capsule of its own, with our streams and its exit code, and removes the capsule. Where no server runs, one is
 * started for the time of the program.
 */
export async function run(
  context: Context,
  words: readonly string[],
  options: RunVerbOptions,
): Promise<void> {
  let code = 0;
  await context.withServer(async (isOwn) => {
    code = await runInCapsule(context, words, options, isOwn);
  });
  if (code !== 0) throw new Exit(code);
}

async function runInCapsule(
  context: Context,
  words: readonly string[],
  options: RunVerbOptions,
  isOwn: boolean,
): Promise<number> {
  const { template, vcpus, memory: memoryMib, keep = false } = options;
  const capsule = await createCapsule(context, { template, vcpus, memoryMib });
  const what = keep ? `capsule ${capsule.id} keeps running` : `removing capsule ${capsule.id}`;
  const onLeave = (): void => context.output.note(`wrenn: left the program; ${what}`);
  try {
    return await streamProgram(context, capsule, { words, options, hasInput: true, onLeave });
  } finally {
    if (keep) await keepCapsule(context, capsule, isOwn);
    else await remove(context, capsule);
  }
}

/** Also after an interrupt. A refusal must not hide the result of the program. */
async function remove({ output }: Context, capsule: Capsule): Promise<void> {
  try {
    await capsule.destroy();
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error);
    output.note(`wrenn: capsule ${capsule.id} could not be removed: ${problem}`);
    output.note(`       Remove it with \`wrenn rm ${capsule.id}\`.`);
  }
}

/** A kept capsule lives as long as its server: one that was started for this command stays until it is interrupted. */
async function keepCapsule(context: Context, { id }: Capsule, isOwn: boolean): Promise<void> {
  const { output, signal } = context;
  output.note(`wrenn: capsule ${id} keeps running`);
  await context.remember(id);
  if (!isOwn || signal.aborted) return;
  output.note("wrenn: the server was started for it; Ctrl-C ends both");
  await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}
