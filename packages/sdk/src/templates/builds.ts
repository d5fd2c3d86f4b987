import { requireCallOptions } from "../transport/call-options.ts";
import type { CallOptions } from "../transport/call-options.ts";
import { segment } from "../transport/http.ts";
import type { HttpClient } from "../transport/http.ts";
import { requireKnownOptions } from "../transport/options.ts";
import { listOf, pageOptionNames } from "../transport/pages.ts";
import type { PageOptions } from "../transport/pages.ts";
import { buildOf } from "./build.ts";
import type { Build, BuildLogLine, WireBuild } from "./build.ts";
import { buildLog } from "./build-log.ts";
import type { BuildOptions } from "./build-options.ts";
import type { ImageImportOptions } from "./import-options.ts";

/** Which lines of a build are given, and whether those to come are. */
export interface BuildLogOptions extends CallOptions {
  /** Whether lines are given as they come, until the build has ended. Default: false. */
  readonly follow?: boolean | undefined;
  /** Number of the first line. Default: 0. */
  readonly from?: number | undefined;
}

/** Builds of templates. */
export class Builds {
  readonly #http: HttpClient;

  /** @internal */
  constructor(http: HttpClient) {
    this.#http = http;
  }

  /**
   * Starts a build, which waits for its turn.
   *
   * @throws WrennError `recipe_invalid`, `quota_exceeded`, `invalid_option`; `context_invalid` with the path that is the reason, and
   * `unsupported_runtime`, where `context` is given.
   */
  async create(options: BuildOptions): Promise<Build> {
    const { createBuild } = await import("./start-build.ts");
    return await createBuild(this.#http, options);
  }

  /**
   * Sends an archive with an image and starts the build that makes a template of it.
   *
   * @throws WrennError `quota_exceeded`, `disk_full`, `invalid_option`; what reading `archive` throws.
   */
  async importImage(options: ImageImportOptions): Promise<Build> {
    const { beginImport } = await import("./import-image.ts");
    return await beginImport(this.#http, options);
  }

  /** Builds of the team, page by page as they are read, newest first, without their steps. */
  list(options: PageOptions = {}): AsyncIterable<Build> {
    const call = "builds.list";
    requireKnownOptions(call, options, pageOptionNames);
    return listOf(this.#http, { call, path: "/v1/builds" }, options, buildOf);
  }

  /** A build with the steps that have ended. @throws WrennError `not_found`. */
  async get(id: string, options: CallOptions = {}): Promise<Build> {
    requireCallOptions("builds.get", options);
    return buildOf(await this.#http.json<WireBuild>("GET", pathOf(id), { signal: options.signal }));
  }

  /** Lines of the output of a build, in order and once. */
  logs(id: string, options: BuildLogOptions = {}): AsyncIterable<BuildLogLine> {
    requireKnownOptions("builds.logs", options, ["follow", "from", "signal"]);
    const { follow = false, from = 0, signal } = options;
    return { [Symbol.asyncIterator]: () => buildLog(this.#http, id, { follow, from, signal }) };
  }

  /** Ends a build: it is `cancelled` at once. @throws WrennError `build_ended`. */
  async cancel(id: string, options: CallOptions = {}): Promise<void> {
    requireCallOptions("builds.cancel", options);
    await this.#http.json("POST", `${pathOf(id)}/cancel`, { signal: options.signal });
  }
}

function pathOf(id: string): string {
  return `/v1/builds/${segment(id)}`;
}
