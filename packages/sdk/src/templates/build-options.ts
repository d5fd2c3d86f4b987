import type { CallOptions } from "../transport/call-options.ts";
import type { PackedBuildContext } from "../transport/platform.ts";
import type { Build, BuildLogLine } from "./build.ts";

/** What a step copies, as the server compares it with earlier builds. */
export interface BuildSources {
  /** 64 hexadecimal digits that change when what is copied changes. */
  readonly digest: string;
  /** Whether there is one file, and the target is its new name. Default: false. */
  readonly isSingle?: boolean | undefined;
  /** Files that ADD unpacks, by their paths below the target. Default: none. */
  readonly archives?: readonly string[] | undefined;
}

/** Something of a context that is not as it looks. The build goes on without it, or with the link as it is. */
export type BuildContextProblem = PackedBuildContext["problems"][number];

/** How a registry knows who takes an image from it. */
export interface RegistryCredentials {
  readonly username: string;
  /** Or the token that stands for it. */
  readonly password: string;
}

/** What is built. */
export interface BuildOptions extends CallOptions {
  /** `name` or `name:tag` of the template. */
  readonly name: string;
  /**
   * Text of a recipe, in the language of a Dockerfile with one stage (docs/reference/builds.md#recipes-as-texts); or, as an array,
   * instructions without that language: `RUN`, `START`, `ENV`, `WORKDIR`, `USER`, `COPY`, at most 200.
   */
  readonly recipe: string | readonly string[];
  /** Name of the recipe in messages. Default: `recipePath`, or `recipe`. */
  readonly recipeFile?: string | undefined;
  /** Path of the file that the text is from: with `context`, `PATH.dockerignore` takes precedence over `.dockerignore`. */
  readonly recipePath?: string | undefined;
  /**
   * Directory that `COPY` and `ADD` of a recipe text copy from. What they need of it is read and sent, without following links, and
   * nothing outside of it is read. Needs Node.js.
   */
  readonly context?: string | undefined;
  /** Whether problems of the context fail the call with `context_invalid`. Default: false. */
  readonly strict?: boolean | undefined;
  /** Is called for each problem of the context: a link that leads nowhere or outside, a file that cannot be read. */
  readonly onProblem?: ((problem: BuildContextProblem) => void) | undefined;
  /** Is called before files of the context are sent. `size`: bytes of their archive. */
  readonly onUpload?: ((upload: { readonly entries: number; readonly size: number }) => void) | undefined;
  /** Values for `ARG`, of a recipe text. */
  readonly args?: Readonly<Record<string, string>> | undefined;
  /** Values for `RUN --mount=type=secret,id=…`, of a recipe text: at most 32, of 64 KiB each. They are not part of the template. */
  readonly secrets?: Readonly<Record<string, string>> | undefined;
  /** For the registry of the image that `FROM` of a recipe text names. Default: what the host has for that registry. */
  readonly registryLogin?: RegistryCredentials | undefined;
  /** Whether all steps are performed, whatever earlier builds have done. Default: false. */
  readonly noCache?: boolean | undefined;
  /** Number of a step, from 1: it and those behind it are performed, whatever earlier builds have done. */
  readonly fromStep?: number | undefined;
  /** Not next to `FROM`. Default: `minimal`. */
  readonly baseTemplate?: string | undefined;
  /** Command that exits with 0 when the template is ready: it then has the memory of the running programs. Replaces `HEALTHCHECK`. */
  readonly healthcheck?: string | undefined;
  /** Default: 1. */
  readonly vcpus?: number | undefined;
  /** Default: 512. */
  readonly memoryMib?: number | undefined;
  /** Leaves out the steps before and after instructions, which then run as root. A recipe text has none. Default: false. */
  readonly skipPrePost?: boolean | undefined;
  /**
   * Files for `COPY`, where `context` is not given: a tar archive, compressed or not, of at most 100 MiB. A function gives its bytes
   * from the beginning, again for each attempt; they are sent as they come, for which browsers need HTTP/2.
   */
  readonly archive?:
    | Uint8Array<ArrayBuffer>
    | Blob
    | (() => AsyncIterable<Uint8Array<ArrayBuffer>>)
    | undefined;
  /** What the archive of a recipe text has: by the number of each step that copies files, which is also its directory. */
  readonly sources?: Readonly<Record<number, BuildSources>> | undefined;
}

/** What is built, and who follows it. */
export interface TemplateBuildOptions extends BuildOptions {
  /** Is called when the build is in the queue. */
  readonly onStart?: ((build: Build) => void) | undefined;
  /** Is called for each line of the log, as it comes. */
  readonly onLog?: ((line: BuildLogLine) => void) | undefined;
}

type NamesOf<T> = readonly (keyof T & string)[];

export const buildOptionNames: NamesOf<BuildOptions> = [
  "name",
  "recipe",
  "recipeFile",
  "recipePath",
  "context",
  "strict",
  "onProblem",
  "onUpload",
  "args",
  "secrets",
  "registryLogin",
  "noCache",
  "fromStep",
  "baseTemplate",
  "healthcheck",
  "vcpus",
  "memoryMib",
  "skipPrePost",
  "archive",
  "sources",
  "signal",
];
export const templateBuildOptionNames: NamesOf<TemplateBuildOptions> = [
  ...buildOptionNames,
  "onStart",
  "onLog",
];
