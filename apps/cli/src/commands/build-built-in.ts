import { readFile } from "node:fs/promises";
import { buildDirectory, ClientError, currentVersion, perform } from "@wrenn/client";
import type { Context, LocalServer, Terminal } from "@wrenn/client";
import { BuiltInContexts, BuiltInRecords, createLog, readConfig } from "@wrenn/server";
import type { BuiltInContextsOptions } from "@wrenn/server";
import { dataDirectoryOf, findServer, hasCode, localServerFiles } from "@wrenn/system";
import { ProgressDisplay } from "../output/progress.ts";

export interface BuildBuiltInOptions {
  /** Name of a built-in template, or `all`; required. */
  readonly builtin?: string;
  readonly json?: boolean;
  readonly progress: "auto" | "plain" | "quiet";
}

/** What became of one template. */
export interface BuiltInResult {
  readonly template: string;
  /** `current`: it was made of the same before. */
  readonly outcome: "built" | "current";
  readonly version: number;
  /** Id of the build that made it. */
  readonly build?: string;
  /** Milliseconds of the build. */
  readonly durationMs?: number;
}

/** What tests replace. */
export type BuildBuiltInSources = Omit<BuiltInContextsOptions, "cacheDirectory">;

const ALL = "all";

/**
 * Builds built-in templates on the server of this machine, from packages that this machine fetches. What was made of the same before is
 * not built again. An interrupt cancels the build that runs; templates stay as they are until theirs has succeeded.
 *
 * @returns the exit code, as those of `wrenn build`.
 */
export async function buildBuiltIn(
  { builtin, json = false, progress }: BuildBuiltInOptions,
  terminal: Terminal = process,
  sources: BuildBuiltInSources = {},
): Promise<number> {
  const setup = { findLocal: async () => await Promise.resolve(undefined) };
  return await perform(terminal, setup, { json }, {}, async (context) => {
    const names = await namesOf(builtin, sources);
    const server = await platformServer(terminal.env);
    const { cacheDirectory, dataDirectory } = readConfig(terminal.env);
    const isQuiet = progress === "quiet" || (progress === "auto" && json);
    const display = isQuiet ? undefined : new ProgressDisplay(terminal.stderr);
    const results: BuiltInResult[] = [];
    try {
      await using contexts = await BuiltInContexts.open(
        { logger: createLog("text", "warn"), progress: (event) => display?.update(event) },
        { cacheDirectory, ...sources },
        context.signal,
      );
      const build = new BuiltInBuild({ context, contexts, server, display, progress }, dataDirectory);
      for (const name of await inOrder(names, contexts, context.signal)) results.push(await build.run(name));
      await contexts.clear();
    } finally {
      display?.done();
    }
    context.output.data(results, () => results.map(({ template }) => `${template}\n`).join(""));
  });
}

interface BuiltInBuildDeps {
  readonly context: Context;
  readonly contexts: BuiltInContexts;
  readonly server: LocalServer;
  readonly display: ProgressDisplay | undefined;
  readonly progress: BuildBuiltInOptions["progress"];
}

class BuiltInBuild {
  readonly #deps: BuiltInBuildDeps;
  readonly #records: BuiltInRecords;

  constructor(deps: BuiltInBuildDeps, dataDirectory: string) {
    this.#deps = deps;
    this.#records = new BuiltInRecords(dataDirectory);
  }

  async run(name: string): Promise<BuiltInResult> {
    const { context, contexts, server, display, progress } = this.#deps;
    const { signal, output } = context;
    const resolved = await contexts.resolve(name, signal);
    const { inputs, definition } = resolved;
    const record = await this.#records.find(name);
    const present = await currentVersion(context, server, name);
    if (record && present === record.version && record.inputs === inputs) {
      display?.done();
      if (display) output.note(`${name}: nothing changed, version ${present} is made of the same`);
      return { template: name, outcome: "current", version: present };
    }
    await using made = await contexts.make(resolved, signal);
    // From here on the view of the build shows what happens.
    display?.done();
    const { vcpus, memoryMib } = definition;
    const what = { name, directory: made.path, vcpus, memoryMib, progress };
    const { build, version } = await buildDirectory(context, server, what);
    if (version === undefined) throw new Error(`the template ${name} was deleted after its build`);
    await this.#records.put(name, { inputs, version });
    const { startedAt, completedAt } = build;
    const durationMs = startedAt && completedAt && completedAt.getTime() - startedAt.getTime();
    return {
      template: name,
      outcome: "built",
      version,
      build: build.id,
      ...(durationMs === undefined ? {} : { durationMs }),
    };
  }
}

async function namesOf(
  wanted: string | undefined,
  { definitions }: BuildBuiltInSources,
): Promise<readonly string[]> {
  if (wanted === undefined)
    throw new ClientError(
      "usage",
      "option_missing",
      "--builtin names the template, and is missing",
      "Write ./wrenn template build --builtin NAME, or all. For recipes of your own there is wrenn build.",
    );
  const names = await BuiltInContexts.names(definitions);
  if (wanted === ALL) return names;
  if (names.includes(wanted)) return [wanted];
  throw new ClientError(
    "usage",
    "built_in_unknown",
    `${wanted} is not a built-in template that can be built`,
    `Name one of ${names.join(", ")}, or ${ALL}.`,
  );
}

/** Those of few sets first: the others find their steps done. */
async function inOrder(
  names: readonly string[],
  contexts: BuiltInContexts,
  signal: AbortSignal,
): Promise<readonly string[]> {
  const counted = new Map<string, number>();
  for (const name of names) counted.set(name, (await contexts.resolve(name, signal)).sets.length);
  return names.toSorted((one, other) => (counted.get(one) ?? 0) - (counted.get(other) ?? 0));
}

/** The server of this machine, with the key of the platform's team. @throws ClientError. */
async function platformServer(env: Readonly<Record<string, string | undefined>>): Promise<LocalServer> {
  const paths = localServerFiles(dataDirectoryOf(env));
  const server = await findServer(paths.serverRecord);
  if (!server)
    throw new ClientError(
      "unreachable",
      "no_server",
      `no server runs on this machine with the data directory ${dataDirectoryOf(env)}`,
      "Start one with ./wrenn up, and run the command again in another terminal.",
    );
  try {
    return { url: server.url, apiKey: (await readFile(paths.platformKey, "utf8")).trim() };
  } catch (error) {
    const isHidden = hasCode(error, "EACCES");
    throw new ClientError(
      "credentials",
      "credentials_missing",
      `${paths.platformKey} cannot be read`,
      isHidden
        ? "Run the command as the user who started the server."
        : "Start the server again: each start makes the key.",
      { cause: error },
    );
  }
}
