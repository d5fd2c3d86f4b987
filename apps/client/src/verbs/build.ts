import { readFile } from "node:fs/promises";
import { text as textOf } from "node:stream/consumers";
import type { Build } from "@wrenn/sdk";
import type { Context } from "../context.ts";
import { ClientError } from "../errors/client-error.ts";
import { escapeText } from "../output/escape-text.ts";

export interface BuildVerbOptions {
  /** Path of the instructions; `-` is standard input. */
  readonly file: string;
  readonly from?: string;
  readonly healthcheck?: string;
  readonly vcpus?: number;
  /** MiB. */
  readonly memory?: number;
  readonly archive?: string;
  /** Without the steps around the recipe. */
  readonly bare?: boolean;
  readonly detach?: boolean;
}

/** Time for the request that cancels a build whose command was interrupted. */
const CANCEL_MS = 5000;

/** Builds a template: prints what its steps print and then the template, or with `detach` the id of the build at once. */
export async function build(context: Context, name: string, options: BuildVerbOptions): Promise<void> {
  const recipe = instructionsOf(
    options.file === "-" ? await readInput(context.terminal) : (await read(options.file)).toString("utf8"),
  );
  const archive = options.archive === undefined ? undefined : await read(options.archive);
  const { builds } = await context.wrenn();
  const { signal, output } = context;
  const started = await builds.create({
    name,
    recipe,
    baseTemplate: options.from,
    healthcheck: options.healthcheck,
    vcpus: options.vcpus,
    memoryMib: options.memory,
    skipPrePost: options.bare,
    archive: archive && new Uint8Array(archive),
    signal,
  });
  if (options.detach === true) return output.data(started, () => `${started.id}\n`);
  try {
    for await (const line of builds.logs(started.id, { follow: true, signal }))
      output.note(escapeText(line.text));
  } catch (error) {
    if (signal.aborted)
      await builds
        .cancel(started.id, { signal: AbortSignal.timeout(CANCEL_MS) })
        .catch(() => output.note(`build ${started.id} may still run`));
    throw error;
  }
  const ended = await builds.get(started.id, { signal });
  if (ended.status !== "success") throw buildFailed(ended);
  output.data(ended, () => `${ended.name}\n`);
}

/** One instruction in each line; empty lines and those that begin with `#` are left out, and `\` at the end continues a line. */
function instructionsOf(text: string): readonly string[] {
  return text
    .replaceAll(/\\\r?\n/g, " ")
    .split(/\r?\n/)
    .map((line) => line.trim())
    .filter((line) => line !== "" && !line.startsWith("#"));
}

async function read(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new ClientError(
      "usage",
      "file_unreadable",
      error instanceof Error ? error.message : String(error),
      "Name a file that can be read; - is standard input.",
      { cause: error },
    );
  }
}

async function readInput({ stdin }: Context["terminal"]): Promise<string> {
  if (!stdin.isTTY) return await textOf(stdin);
  throw new ClientError(
    "usage",
    "instructions_missing",
    "there are no instructions",
    "Name their file with --file, or pipe them in.",
  );
}

function buildFailed({ id, status, error, reason }: Build): ClientError {
  return new ClientError(
    "failed",
    reason ?? "build_failed",
    `build ${id} has ended: ${error ?? status}`,
    "The lines above are what its steps printed.",
  );
}
