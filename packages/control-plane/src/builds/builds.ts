import { formatId, parseId, WrennError } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { parseReference } from "@wrenn/oci";
import {
  buildArchiveQueries,
  buildLogQueries,
  buildQueries,
  DEFAULT_TAG,
  quotaQueries,
} from "@wrenn/database";
import type { BuildLine, BuildRow, BuildStep, Database, QueuedTransactions } from "@wrenn/database";
import { currentActor } from "../http/current-identity.ts";
import type { SealedJson } from "../secrets/sealed-json.ts";
import { requireStorage } from "../teams/quotas.ts";
import { builtOnDemand } from "../templates/built-in-templates.ts";
import { orNotBuilt } from "../templates/first-use.ts";
import { isTemplateReference, parseTemplateName, templateNameOf } from "../templates/template-name.ts";
import type { TemplatesService } from "../templates/templates.ts";
import type { UploadedArchive } from "./build-archives.ts";
import type { BuildRunner } from "./build-runner.ts";
import { planBuild, readinessOf } from "./recipe.ts";
import { requireBroughtAlong } from "./requested-build.ts";
import { storedRecipe } from "./stored-recipe.ts";
import type { RequestedRecipe, SealedBuild } from "./stored-recipe.ts";

/** Builds of a team that have ended and are kept. */
const KEPT = 100;
/** Lines that one look at a log returns. */
export const MAX_LINES = 1000;

export interface BuildRequest extends RequestedRecipe {
  /** `name` or `name:tag`. */
  readonly name: string;
  /** Undefined: what FROM says, or the default. */
  readonly baseTemplate: string | undefined;
  readonly healthcheck: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  /** UUID that the build gets; default: a new one. */
  readonly id?: string;
}

const DEFAULT_BASE = "minimal";

/** A part of a log, and what it is worth asking for next. */
export interface BuildLog {
  readonly lines: readonly BuildLine[];
  readonly next: number;
  /** As it was before the lines were read: when it has ended, and there are no lines, there are none to come. */
  readonly build: BuildRow;
}

export interface BuildsServiceDeps {
  readonly database: Database;
  readonly transactions: QueuedTransactions;
  readonly templates: TemplatesService;
  readonly runner: BuildRunner;
  readonly random: Random;
  readonly sealed: SealedJson<SealedBuild>;
}

/** Builds of templates (docs/reference/builds.md). */
export class BuildsService {
  readonly #deps: BuildsServiceDeps;

  constructor(deps: BuildsServiceDeps) {
    this.#deps = deps;
  }

  /**
   * Puts a build into the queue.
   *
   * @param archive - the files that its recipe copies from; they belong to the build from now on.
   * @throws WrennError `recipe_invalid`, `invalid_field` for a base beside FROM, `template_not_found` for its base,
   *   `template_tag_not_found`, `image_reference_invalid`, `template_name_reserved`, `quota_exceeded`.
   */
  async start(
    teamId: string,
    request: BuildRequest,
    archive: UploadedArchive | undefined,
  ): Promise<BuildRow> {
    const { transactions, templates, runner, random, sealed } = this.#deps;
    const { name, tag } = parseTemplateName(request.name);
    const plan = planBuild(request.recipe);
    const { recipe, sources, secrets, healthcheck, vcpus, memoryMib } = request;
    const hasArchive = archive !== undefined;
    const secretIds = new Set(Object.keys(secrets));
    const file = recipe.form === "text" ? recipe.file : "recipe";
    requireBroughtAlong(plan, file, { hasArchive, sources, secretIds });
    readinessOf(healthcheck, plan.config);
    if (plan.base !== undefined && request.baseTemplate !== undefined)
      throw new WrennError("invalid_field", { field: "base_template", problem: "stands beside FROM" });
    const baseTemplate = plan.base ?? request.baseTemplate ?? DEFAULT_BASE;
    const replaces = await templates.requireFree(teamId, templateNameOf({ name, tag }), true);
    const fromImage =
      request.imageArchive !== undefined ||
      (plan.base !== undefined && (await this.#isImage(teamId, plan.base)));
    if (!fromImage) await templates.find(teamId, baseTemplate);
    const { id = random.uuid() } = request;
    const build = {
      ...storedRecipe(id, request, fromImage, sealed),
      id,
      teamId,
      name,
      tag,
      baseTemplate,
      recipe: plan.written,
      healthcheck,
      vcpus,
      memoryMib,
      totalSteps: plan.steps.length,
      actor: currentActor(),
    };
    const row = await transactions.run("team", teamId, async (trx) => {
      const use = await quotaQueries.lockTeamUse(trx, teamId);
      requireStorage(use, { bytes: 0, checkpoints: 0, templates: replaces ? 0 : 1 });
      const limit = await buildQueries.buildLimit(trx, teamId);
      const wanted = (await buildQueries.countOpenBuilds(trx, teamId)) + 1;
      if (wanted > limit) throw new WrennError("quota_exceeded", { what: "builds under way", limit, wanted });
      const inserted = await buildQueries.insertBuild(trx, build);
      if (archive && !(await buildArchiveQueries.attachArchive(trx, archive.id, build.id)))
        throw new Error("the archive of a build is gone");
      await buildQueries.pruneBuilds(trx, teamId, KEPT);
      return inserted;
    });
    runner.poke();
    return row;
  }

  /**
   * FROM names a template that the team can use, and otherwise an image of a registry.
   *
   * @throws WrennError `template_tag_not_found` for another tag of a template; `template_not_built` for a built-in one that is not there
   *   yet; `image_reference_invalid`.
   */
  async #isImage(teamId: string, base: string): Promise<boolean> {
    if (isTemplateReference(base))
      try {
        await this.#deps.templates.find(teamId, base);
        return false;
      } catch (error) {
        if (!isMissing(error, base)) throw orNotBuilt(error, base, undefined);
      }
    parseReference(base);
    return true;
  }

  /** @throws WrennError `invalid_id`, `build_not_found`. */
  async get(teamId: string, publicId: string): Promise<BuildRow> {
    const id = parseId("build", publicId);
    const row = await buildQueries.findBuild(this.#deps.database.db, teamId, id);
    if (!row) throw new WrennError("build_not_found", {});
    return row;
  }

  async list(teamId: string): Promise<readonly BuildRow[]> {
    return await buildQueries.listBuilds(this.#deps.database.db, teamId);
  }

  /** The steps of a build that have ended. */
  async steps({ id }: BuildRow): Promise<readonly BuildStep[]> {
    return await buildLogQueries.listSteps(this.#deps.database.db, id);
  }

  /** @throws WrennError `invalid_id`, `build_not_found`. */
  async log(teamId: string, publicId: string, from: number, limit = MAX_LINES): Promise<BuildLog> {
    const build = await this.get(teamId, publicId);
    const lines = await buildLogQueries.readLines(this.#deps.database.db, build.id, from, limit);
    return { lines, next: (lines.at(-1)?.seq ?? from - 1) + 1, build };
  }

  /**
   * Ends a build. The step that runs is broken off, and no template is made of it.
   *
   * @throws WrennError `invalid_id`, `build_not_found`, `build_ended`.
   */
  async cancel(teamId: string, publicId: string): Promise<BuildRow> {
    const { database, runner } = this.#deps;
    const { id } = await this.get(teamId, publicId);
    const [ended] = await database.db
      .transaction()
      .execute(async (trx) => await buildQueries.endBuilds(trx, { id }, { status: "cancelled" }));
    if (ended) {
      await runner.stop(ended);
      return ended;
    }
    const { status } = await this.get(teamId, formatId("build", id));
    throw new WrennError("build_ended", { status });
  }

  /** Ends every build of a team that is being deleted. */
  async cancelAll(teamId: string): Promise<void> {
    for (const { id, status } of await this.list(teamId))
      if (status === "pending" || status === "running")
        await this.cancel(teamId, formatId("build", id)).catch((error: unknown) => {
          if (!WrennError.is(error, "build_ended")) throw error;
        });
  }
}

/**
 * Whether what FROM names is no template. Built-in ones such as `python` are called as images are, and have the default tag alone.
 */
function isMissing(error: unknown, base: string): boolean {
  const { namespace, name, tag } = parseTemplateName(base);
  const isBuiltIn = namespace === undefined && builtOnDemand.has(name);
  if (WrennError.is(error, "template_tag_not_found")) return isBuiltIn;
  return WrennError.is(error, "template_not_found") && !(isBuiltIn && tag === DEFAULT_TAG);
}
