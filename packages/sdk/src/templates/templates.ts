import { requireCallOptions } from "../transport/call-options.ts";
import type { CallOptions } from "../transport/call-options.ts";
import { segment } from "../transport/http.ts";
import type { HttpClient } from "../transport/http.ts";
import { invalidOption, present, requireKnownOptions } from "../transport/options.ts";
import { listOf, pageOptionNames } from "../transport/pages.ts";
import type { PageOptions } from "../transport/pages.ts";
import type { WireAnswer } from "../wire/api-types.ts";
import type { Build } from "./build.ts";
import type { TemplateBuildOptions } from "./build-options.ts";
import type { TemplateImportOptions } from "./import-options.ts";
import { templateOf } from "./template.ts";
import type { Template } from "./template.ts";

/** A version of a template. Capsules keep the version that they were started from. */
export interface TemplateVersion {
  readonly version: number;
  readonly tags: readonly string[];
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly sizeBytes: number;
  readonly createdAt: Date;
  /** `STOPSIGNAL` of its image or recipe: a name or a number. The platform does not use it. */
  readonly stopSignal?: string;
  /** `EXPOSE` of its image or recipe, such as `8080/tcp`. */
  readonly exposedPorts: readonly string[];
  /** `LABEL` of its image or recipe. */
  readonly labels: Readonly<Record<string, string>>;
}

/** A name for a version. */
export interface TemplateTag {
  readonly tag: string;
  readonly version: number;
  /** When the tag was given to this version. */
  readonly taggedAt: Date;
}

/** A template with all its versions. */
export interface TemplateDetails {
  readonly name: string;
  readonly isPlatform: boolean;
  readonly isPublic: boolean;
  /** Whether the team may change it. */
  readonly isOwn: boolean;
  /** Newest first; none of a built-in template. */
  readonly versions: readonly TemplateVersion[];
  readonly tags: readonly TemplateTag[];
}

/** Which templates are listed. */
export interface TemplateListOptions extends PageOptions {
  /**
   * `usable`: those of the team and of the platform, whose names need no team. `team`: those of the team. `public`: those that teams
   * have made public, at most 1000. Default: `usable`.
   */
  readonly scope?: "usable" | "team" | "public" | undefined;
}

/** Where templates are listed. */
const lists = {
  usable: { path: "/v1/snapshots" },
  team: { path: "/v1/templates" },
  public: { path: "/v1/templates", query: { public: true } },
} as const;

type WireDetails = WireAnswer<"GET /v1/templates/{name}">;

/** Templates of the team and of the platform. They are made by `capsule.snapshot()`, or by builds. */
export class Templates {
  readonly #http: HttpClient;

  /** @internal */
  constructor(http: HttpClient) {
    this.#http = http;
  }

  /**
   * Builds a version of a template and waits for its end. Lines of its log are given to `onLog` as they come. An abort cancels the
   * build.
   *
   * @returns the build, which has succeeded.
   * @throws WrennError `build_failed` with `details.build`, `details.step` (the {@link BuildStep} that failed, if it was one) and
   * `details.lines` (its last lines); of the server's refusal; `recipe_invalid` and `context_invalid`, as {@link Builds}.create; the
   * reason of the signal.
   * @example
   * ```ts
   * const { templates } = new Wrenn();
   * const recipe = "FROM minimal\nRUN echo built > /opt/state\n";
   * const build = await templates.build({ name: "example", recipe });
   * console.log(build.status); // → success
   * await templates.delete("example");
   * ```
   */
  async build(options: TemplateBuildOptions): Promise<Build> {
    const { runBuild } = await import("./run-build.ts");
    return await runBuild(this.#http, options);
  }

  /**
   * Makes a template of the image in an archive, and waits for the end. Otherwise as {@link Templates}.build: a template of an image of
   * a registry is built from the recipe `FROM registry/repository:tag`.
   *
   * @returns the build, which has succeeded.
   * @throws WrennError `build_failed` with `details.build`, whose `reason` says what is wrong with the image: `image_archive_invalid`,
   * `image_choice_needed`, `image_damaged`, `image_platform_missing` and others; what reading `archive` throws.
   */
  async importImage(options: TemplateImportOptions): Promise<Build> {
    const { runImport } = await import("./import-image.ts");
    return await runImport(this.#http, options);
  }

  /** Templates, page by page as they are read, newest first. @throws WrennError `invalid_option`. */
  list(options: TemplateListOptions = {}): AsyncIterable<Template> {
    const call = "templates.list";
    requireKnownOptions(call, options, ["scope", ...pageOptionNames]);
    const { scope = "usable" } = options;
    if (!(scope in lists))
      throw invalidOption(call, "scope", `must be one of ${Object.keys(lists).join(", ")}`);
    const list = { call, ...lists[scope] };
    return listOf(this.#http, list, options, templateOf);
  }

  /**
   * A template with its versions.
   *
   * @param reference - `name`, or `team/name` of a public one.
   * @throws WrennError `not_found`.
   */
  async get(reference: string, options: CallOptions = {}): Promise<TemplateDetails> {
    requireCallOptions("templates.get", options);
    return detailsOf(
      await this.#http.json<WireDetails>("GET", pathOf(reference), { signal: options.signal }),
    );
  }

  /**
   * Lets every team start capsules from a template, or no longer. They start with its memory and files: these must not hold secrets.
   */
  async setPublic(name: string, isPublic: boolean, options: CallOptions = {}): Promise<TemplateDetails> {
    requireCallOptions("templates.setPublic", options);
    const request = { json: { public: isPublic }, signal: options.signal, isSafeToRepeat: true };
    return detailsOf(await this.#http.json<WireDetails>("PATCH", pathOf(name), request));
  }

  /** Gives a tag to a version; a version that had it loses it. */
  async setTag(name: string, tag: string, version: number, options: CallOptions = {}): Promise<void> {
    requireCallOptions("templates.setTag", options);
    const request = { json: { version }, signal: options.signal };
    await this.#http.json("PUT", `${pathOf(name)}/tags/${segment(tag)}`, request);
  }

  /** Takes a tag away; its version stays. */
  async removeTag(name: string, tag: string, options: CallOptions = {}): Promise<void> {
    requireCallOptions("templates.removeTag", options);
    await this.#http.json("DELETE", `${pathOf(name)}/tags/${segment(tag)}`, { signal: options.signal });
  }

  /** Deletes a version with its tags; the last one takes the template with it. @throws WrennError `conflict` while capsules use it. */
  async deleteVersion(name: string, version: number, options: CallOptions = {}): Promise<void> {
    requireCallOptions("templates.deleteVersion", options);
    await this.#http.json("DELETE", `${pathOf(name)}/versions/${version}`, { signal: options.signal });
  }

  /** Deletes a template with all versions. @throws WrennError `conflict` while capsules use it. */
  async delete(name: string, options: CallOptions = {}): Promise<void> {
    requireCallOptions("templates.delete", options);
    await this.#http.json("DELETE", `/v1/snapshots/${segment(name)}`, { signal: options.signal });
  }
}

function pathOf(name: string): string {
  return `/v1/templates/${segment(name)}`;
}

/** A server of an earlier version does not say them. */
function settingsOf(
  wire: Partial<WireDetails["versions"][number]>,
): Pick<TemplateVersion, "stopSignal" | "exposedPorts" | "labels"> {
  const { stop_signal: stopSignal, exposed_ports: exposedPorts = [], labels = {} } = wire;
  return { exposedPorts, labels, ...present({ stopSignal }) };
}

function detailsOf(wire: WireDetails): TemplateDetails {
  return Object.freeze({
    name: wire.name,
    isPlatform: wire.platform,
    isPublic: wire.public,
    isOwn: wire.own,
    versions: Object.freeze(
      wire.versions.map((one) =>
        Object.freeze({
          version: one.version,
          tags: one.tags,
          vcpus: one.vcpus,
          memoryMib: one.memory_mb,
          sizeBytes: one.size_bytes,
          createdAt: new Date(one.created_at),
          ...settingsOf(one),
        }),
      ),
    ),
    tags: Object.freeze(
      wire.tags.map(({ tag, version, tagged_at }) =>
        Object.freeze({ tag, version, taggedAt: new Date(tagged_at) }),
      ),
    ),
  });
}
