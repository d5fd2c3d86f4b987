import { sleep } from "../transport/abort.ts";
import { requireCallOptions } from "../transport/call-options.ts";
import type { CallOptions } from "../transport/call-options.ts";
import { segment } from "../transport/http.ts";
import type { HttpClient } from "../transport/http.ts";
import { present, requireKnownOptions } from "../transport/options.ts";
import { listOf, pageOptionNames } from "../transport/pages.ts";
import type { PageOptions } from "../transport/pages.ts";
import { randomHex } from "../transport/random.ts";
import type { WireBody, WireObject } from "../wire/api-types.ts";
import { buildOf, isOver } from "./build.ts";
import type { Build, BuildLogLine, WireBuildLogs } from "./build.ts";

/** What is built. */
export interface BuildOptions extends CallOptions {
  /** `name` or `name:tag` of the template. */
  readonly name: string;
  /** Instructions: `RUN`, `START`, `ENV`, `WORKDIR`, `USER`, `COPY`; at most 200. */
  readonly recipe: readonly string[];
  /** Default: `minimal`. */
  readonly baseTemplate?: string | undefined;
  /** Command that exits with 0 when the template is ready: it then has the memory of the running programs. */
  readonly healthcheck?: string | undefined;
  /** Default: 1. */
  readonly vcpus?: number | undefined;
  /** Default: 512. */
  readonly memoryMib?: number | undefined;
  /** Leaves out the steps before and after the recipe, which then runs as root. Default: false. */
  readonly skipPrePost?: boolean | undefined;
  /** Files for `COPY`: a tar archive, compressed or not, of at most 100 MiB. */
  readonly archive?: Uint8Array<ArrayBuffer> | Blob | undefined;
}

/** Which lines of a build are given, and whether those to come are. */
export interface BuildLogOptions extends CallOptions {
  /** Whether lines are given as they come, until the build has ended. Default: false. */
  readonly follow?: boolean | undefined;
  /** Number of the first line. Default: 0. */
  readonly from?: number | undefined;
}

/** Milliseconds between two looks at the log of a build. */
const LOOK_MS = 1000;
/** Lines of one request. */
const LINES = 1000;
/** An archive of 100 MiB may travel for a while. */
const UPLOAD_MS = 30 * 60_000;

/** Builds of templates. */
export class Builds {
  readonly #http: HttpClient;

  /** @internal */
  constructor(http: HttpClient) {
    this.#http = http;
  }

  /** Starts a build, which waits for its turn. @throws WrennError `recipe_invalid`, `quota_exceeded`. */
  async create(options: BuildOptions): Promise<Build> {
    requireKnownOptions("builds.create", options, [
      "name",
      "recipe",
      "baseTemplate",
      "healthcheck",
      "vcpus",
      "memoryMib",
      "skipPrePost",
      "archive",
      "signal",
    ]);
    const { name, recipe, healthcheck, vcpus, archive, signal } = options;
    const json: WireBody<"POST /v1/builds"> = {
      name,
      recipe,
      ...present({
        base_template: options.baseTemplate,
        healthcheck,
        vcpus,
        memory_mb: options.memoryMib,
        skip_pre_post: options.skipPrePost,
      }),
    };
    const request = archive ? { ...formOf(json, archive), timeoutMs: UPLOAD_MS } : { json };
    return buildOf(await this.#http.json<WireObject<"Build">>("POST", "/v1/builds", { ...request, signal }));
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
    return buildOf(await this.#http.json<WireObject<"Build">>("GET", pathOf(id), { signal: options.signal }));
  }

  /** Lines of the output of a build, in order and once. */
  logs(id: string, options: BuildLogOptions = {}): AsyncIterable<BuildLogLine> {
    requireKnownOptions("builds.logs", options, ["follow", "from", "signal"]);
    const { follow = false, from = 0, signal } = options;
    const http = this.#http;
    return {
      async *[Symbol.asyncIterator]() {
        for (let next = from; ;) {
          const query = { from: next, limit: LINES };
          const page = await http.json<WireBuildLogs>("GET", `${pathOf(id)}/logs`, { query, signal });
          for (const line of page.lines) yield Object.freeze({ ...line, at: new Date(line.at) });
          next = page.next_from;
          if (page.lines.length > 0) continue;
          if (!follow || isOver(page.status)) return;
          await sleep(LOOK_MS, signal);
        }
      },
    };
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

/** The form of a build with files. Written out, so that it can be sent again, which a stream cannot. */
function formOf(config: object, archive: Uint8Array<ArrayBuffer> | Blob) {
  const boundary = `wrenn-${randomHex(16)}`;
  const part = (name: string, more: string): string =>
    `--${boundary}\r\ncontent-disposition: form-data; name="${name}"${more}\r\n\r\n`;
  const body = new Blob([
    part("config", ""),
    JSON.stringify(config),
    "\r\n",
    part("archive", '; filename="archive.tar"\r\ncontent-type: application/octet-stream'),
    archive,
    `\r\n--${boundary}--\r\n`,
  ]);
  return { body, headers: { "content-type": `multipart/form-data; boundary=${boundary}` } };
}
