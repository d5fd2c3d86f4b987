import { WrennError } from "../errors/wrenn-error.ts";
import type { HttpClient } from "../transport/http.ts";
import { invalidOption, present, requireKnownOptions } from "../transport/options.ts";
import { platform } from "../transport/platform.ts";
import type { PackedBuildContext } from "../transport/platform.ts";
import type { WireBody } from "../wire/api-types.ts";
import { buildOf } from "./build.ts";
import type { Build, WireBuild } from "./build.ts";
import { sendBuildForm } from "./build-form.ts";
import type { FileContent } from "./build-form.ts";
import { buildOptionNames } from "./build-options.ts";
import type { BuildOptions, BuildSources, RegistryCredentials } from "./build-options.ts";

type WireBuildBody = WireBody<"POST /v1/builds">;

/** An archive of 100 MiB may travel for a while. */
const UPLOAD_MS = 30 * 60_000;
const ARCHIVE = { field: "archive", fileName: "archive.tar", timeoutMs: UPLOAD_MS };
/** Characters of a recipe's name. */
const MAX_FILE = 255;
/** Problems of a context in one message. */
const MOST_PROBLEMS = 5;

/** `builds.create`. */
export async function createBuild(http: HttpClient, options: BuildOptions): Promise<Build> {
  const call = "builds.create";
  requireKnownOptions(call, options, buildOptionNames);
  return await startBuild(http, call, options);
}

/**
 * Starts a build, with the files of its context where it has one.
 *
 * @param call - how messages name the call.
 * @throws WrennError of the server; `invalid_option`, `recipe_invalid`, `context_invalid`, `unsupported_runtime`.
 */
export async function startBuild(http: HttpClient, call: string, options: BuildOptions): Promise<Build> {
  const { archive, signal } = options;
  const packed = options.context === undefined ? undefined : await packFiles(call, options.context, options);
  const json = bodyOf(options, packed ? packed.sources : options.sources);
  const content: FileContent | undefined = packed?.archive
    ? { open: packed.archive, size: packed.size }
    : typeof archive === "function"
      ? { open: archive, size: undefined }
      : archive;
  if (content !== undefined)
    return await sendBuildForm(http, "/v1/builds", json, { ...ARCHIVE, content }, signal);
  return buildOf(await http.json<WireBuild>("POST", "/v1/builds", { json, signal }));
}

function bodyOf(options: BuildOptions, sources: BuildOptions["sources"]): WireBuildBody {
  const { name, recipe, args, secrets, healthcheck, vcpus, recipeFile = options.recipePath } = options;
  return {
    name,
    ...(typeof recipe === "string" ? { recipe_text: recipe } : { recipe }),
    ...present({
      recipe_file: recipeFile?.slice(-MAX_FILE),
      args,
      secrets,
      sources: sources && wireSources(sources),
      registry_login: options.registryLogin && loginOf(options.registryLogin),
      no_cache: options.noCache,
      from_step: options.fromStep,
      base_template: options.baseTemplate,
      healthcheck,
      vcpus,
      memory_mb: options.memoryMib,
      skip_pre_post: options.skipPrePost,
    }),
  };
}

function loginOf({ username, password }: RegistryCredentials): NonNullable<WireBuildBody["registry_login"]> {
  return { username, password };
}

function wireSources(sources: Readonly<Record<string, BuildSources>>): NonNullable<WireBuildBody["sources"]> {
  return Object.fromEntries(
    Object.entries(sources).map(([step, { digest, isSingle = false, archives = [] }]) => [
      step,
      { digest, single: isSingle, archives },
    ]),
  );
}

/** Reads the context, and reports what is wrong with it. */
async function packFiles(
  call: string,
  directory: string,
  options: BuildOptions,
): Promise<PackedBuildContext> {
  const { recipe, recipePath, recipeFile = recipePath ?? "recipe", args = {}, signal } = options;
  if (typeof recipe !== "string")
    throw invalidOption(call, "context", "needs a recipe that is a text, not an array of instructions");
  if (options.archive !== undefined || options.sources !== undefined)
    throw invalidOption(call, "context", "cannot be given together with archive or sources");
  const { packContext } = platform();
  if (packContext === undefined)
    throw new WrennError({
      code: "unsupported_runtime",
      message: `${call}: context needs the file system of Node.js`,
      remedy: "Pass archive and sources instead, or build with Node.js.",
    });
  const packed = await packContext({ directory, recipe, recipeFile, recipePath, args, signal });
  for (const problem of packed.problems) options.onProblem?.(problem);
  if (options.strict === true && packed.problems.length > 0) throw problematic(directory, packed.problems);
  if (packed.archive !== undefined) options.onUpload?.({ entries: packed.entries, size: packed.size });
  return packed;
}

function problematic(directory: string, problems: PackedBuildContext["problems"]): WrennError {
  const shown = problems.slice(0, MOST_PROBLEMS).map(({ path, message }) => `${path} ${message}`);
  const more = problems.length - shown.length;
  return new WrennError({
    code: "context_invalid",
    message: `the context ${directory}: ${shown.join("; ")}${more > 0 ? `; and ${more} more` : ""}`,
    remedy: "Mend or remove them, exclude them by .dockerignore, or build without strict.",
    details: { problems },
  });
}
