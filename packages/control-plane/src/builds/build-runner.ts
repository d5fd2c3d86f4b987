import { defined, formatId, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import { buildQueries, quotaQueries } from "@wrenn/database";
import type { BuildEnd, BuildRow, Database } from "@wrenn/database";
import type { ImageConfig } from "@wrenn/recipe";
import { PLATFORM_TEAM } from "../http/identity.ts";
import type { SealedJson } from "../secrets/sealed-json.ts";
import { requireStorage } from "../teams/quotas.ts";
import { templateNameOf } from "../templates/template-name.ts";
import type { TemplatesService } from "../templates/templates.ts";
import { configOf, dropArchives } from "./base-images.ts";
import type { BaseImages } from "./base-images.ts";
import { importAgain, importBase } from "./import-base.ts";
import type { BuildArchives } from "./build-archives.ts";
import type { BuildCapsules } from "./build-capsules.ts";
import { BuildRecorder } from "./build-recorder.ts";
import { GUEST_ENVIRONMENT, planBuild } from "./recipe.ts";
import { requestedRecipe } from "./stored-recipe.ts";
import type { SealedBuild } from "./stored-recipe.ts";
import { maskSecrets } from "./secret-mask.ts";
import { inheritedConfig } from "./template-settings.ts";
import { StepFailed } from "./template-builder.ts";
import type {
  BuildJob,
  BuildReport,
  BuiltTemplate,
  FoundVersion,
  TemplateBuilder,
} from "./template-builder.ts";

/** Builds that one control plane runs at a time. */
const WORKERS = 2;
/** A build that takes longer fails. */
const BUILD_MS = 60 * 60_000;
/** Between two looks whether a build is still this control plane's; waiting lines are written then. */
const LOOK_MS = 500;
/** A build that was claimed is known here within this time. */
const CLAIM_MS = 10_000;
const CLOSE_MS = 5000;
/** Who ran a build ends its capsule, and makes no more files, within this time; then others remove them. */
const LEFT_GRACE_MS = 60_000;
/** Capsules that one sweep ends. */
const CAPSULES_AT_ONCE = 20;
/** Characters of what a failed step says. */
const MAX_PROBLEM = 1000;

const interrupted: BuildEnd = {
  status: "interrupted",
  problem: { reason: "build_interrupted", message: new WrennError("build_interrupted", {}).message },
};

export interface BuildRunnerDeps {
  readonly database: Database;
  readonly templates: TemplatesService;
  readonly archives: BuildArchives;
  readonly builder: TemplateBuilder;
  readonly capsules: Pick<BuildCapsules, "remove">;
  readonly images: BaseImages;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly sealed: SealedJson<SealedBuild>;
  /** UUID of this control plane. */
  readonly instanceId: string;
}

type StoredRequest = ReturnType<typeof requestedRecipe>;

/** A build that is over for this control plane: its row says how it ended. */
class BuildLost extends Error {
  override readonly name = "BuildLost";
}

/**
 * Runs builds from the queue, which is the database: any number of control planes take builds from it, and each build is run by one.
 * Whatever a control plane writes about a build depends on its still being its own, so that one that was held up changes nothing
 * after its lease has run out.
 */
export class BuildRunner {
  readonly #deps: BuildRunnerDeps;
  readonly #running = new Map<string, { readonly abort: AbortController; readonly done: Promise<void> }>();
  #claims: Promise<void> = Promise.resolve();
  #isClosing = false;

  constructor(deps: BuildRunnerDeps) {
    this.#deps = deps;
  }

  /** Builds wait: as many are begun as there is room for. */
  poke(): void {
    this.#claims = this.#claims.then(async () => await this.#claim());
  }

  /** A build was cancelled: if it runs here, it ends now instead of at the next look. */
  async stop(row: BuildRow): Promise<void> {
    this.#running.get(row.id)?.abort.abort(new BuildLost("the build was cancelled"));
    await dropArchives(this.#deps.images, [row]);
  }

  /** Ends what an earlier process with this instance id ran. */
  async takeOver(): Promise<void> {
    const { database, instanceId } = this.#deps;
    const own = { owner: instanceId, known: [], graceMs: 0 };
    await this.#removeLeft(await buildQueries.endBuilds(database.db, own, interrupted));
  }

  /**
   * Ends builds that no one runs any longer, removes capsules and archives that no build has, and begins what waits. Called
   * periodically.
   */
  async sweep(): Promise<void> {
    const { database, archives, instanceId, logger } = this.#deps;
    const known = [...this.#running.keys()];
    const lost = [
      ...(await buildQueries.endBuilds(database.db, "orphaned", interrupted)),
      ...(await buildQueries.endBuilds(
        database.db,
        { owner: instanceId, known, graceMs: CLAIM_MS },
        interrupted,
      )),
    ];
    for (const { id } of lost) logger.warn("build.interrupted", { build: formatId("build", id) });
    await this.#removeLeft(lost);
    await archives.sweep();
    this.poke();
    await this.#removeLeftCapsules();
  }

  /** Interrupts the builds that run here. Those that wait are left to others, or to the next process. */
  async close(): Promise<void> {
    const { database, instanceId, logger } = this.#deps;
    this.#isClosing = true;
    await this.#claims;
    const running = [...this.#running.values()];
    if (running.length === 0) return;
    try {
      const own = { owner: instanceId, known: [], graceMs: 0 };
      await buildQueries.endBuilds(database.db, own, interrupted);
    } catch (error) {
      // The lease runs out by itself.
      logger.warn("build.interrupted_later", { problem: problemOf(error) });
    }
    for (const { abort } of running) abort.abort(new BuildLost("the control plane is closing"));
    const closed = new AbortController();
    const late = this.#deps.clock.sleep(CLOSE_MS, closed.signal).catch(() => {});
    await Promise.race([Promise.all(running.map(({ done }) => done)), late]);
    closed.abort();
  }

  async #claim(): Promise<void> {
    const { database, instanceId, logger } = this.#deps;
    try {
      while (!this.#isClosing && this.#running.size < WORKERS) {
        const row = await buildQueries.claimBuild(database.db, instanceId);
        if (!row) return;
        const abort = new AbortController();
        const done = this.#run(row, abort).finally(() => {
          this.#running.delete(row.id);
          if (!this.#isClosing) this.poke();
        });
        this.#running.set(row.id, { abort, done });
      }
    } catch (error) {
      // The next sweep tries again.
      logger.warn("build.claim_failed", { problem: problemOf(error) });
    }
  }

  /** A host may still make files of a build whose control plane has ended. */
  async #removeLeft(rows: readonly BuildRow[]): Promise<void> {
    await dropArchives(this.#deps.images, rows);
    await this.#deps.templates.discardSoon(rows.map(hostKeyOf), LEFT_GRACE_MS);
  }

  async #removeLeftCapsules(): Promise<void> {
    const { database, capsules, instanceId, logger } = this.#deps;
    const left = await buildQueries.listLeftCapsules(database.db, {
      graceMs: LEFT_GRACE_MS,
      owner: instanceId,
      ending: [...this.#running.keys()],
      limit: CAPSULES_AT_ONCE,
    });
    for (const { buildId, teamId, capsuleId } of left)
      try {
        await capsules.remove(teamId, capsuleId);
        logger.info("build.capsule_removed", { build: formatId("build", buildId) });
      } catch (error) {
        logger.warn("build.capsule_left", { build: formatId("build", buildId), problem: problemOf(error) });
      }
  }

  /** Runs one build to its end. Never rejects. */
  async #run(row: BuildRow, abort: AbortController): Promise<void> {
    const { logger } = this.#deps;
    const build = formatId("build", row.id);
    logger.info("build.started", { build, team: formatId("team", row.team_id) });
    try {
      await this.#build(row, abort);
      logger.info("build.succeeded", { build });
    } catch (error) {
      const reason: unknown = abort.signal.aborted ? abort.signal.reason : error;
      if (reason instanceof BuildLost) logger.info("build.ended", { build, problem: reason.message });
      else await this.#fail(row, reason);
    } finally {
      await dropArchives(this.#deps.images, [row]);
    }
  }

  async #build(row: BuildRow, abort: AbortController): Promise<void> {
    const { database, templates, builder, clock, instanceId, sealed } = this.#deps;
    const { signal } = abort;
    const requested = requestedRecipe(row, sealed);
    const secrets = Object.values(requested.secrets);
    let files: { readonly hostKey: string; readonly hostId: string } | undefined;
    const recorder = new BuildRecorder(
      {
        database,
        clock,
        signal,
        storing: async ({ hostKey, hostId }) => {
          await templates.begin(hostKey, hostId);
          files = { hostKey, hostId };
        },
        onLost: () => abort.abort(new BuildLost("the build is no longer this control plane's")),
      },
      { id: row.id, owner: instanceId, secrets },
    );
    const limit = setTimeout(
      () => abort.abort(new WrennError("build_too_long", { minutes: BUILD_MS / 60_000 })),
      BUILD_MS,
    ).unref();
    const finished = new AbortController();
    const looking = this.#look(recorder, abort, finished.signal);
    try {
      const job = await this.#job(row, requested, recorder, signal);
      const built = await builder.build(job, recorder, signal);
      await recorder.finish();
      await this.#succeed(row, built);
    } catch (error) {
      // What was printed last says most about the failure.
      if (!signal.aborted) await recorder.finish().catch(() => {});
      if (files) await templates.discard(files.hostKey, files.hostId);
      throw error;
    } finally {
      clearTimeout(limit);
      finished.abort();
      await looking;
    }
  }

  async #job(
    row: BuildRow,
    { recipe, sources, secrets, login, imageArchive, repeatFrom, fromImage }: StoredRequest,
    report: BuildReport,
    signal: AbortSignal,
  ): Promise<BuildJob> {
    const { templates, archives, images, clock } = this.#deps;
    const source = { login, imageArchive };
    const image = fromImage ? await importBase({ images, clock }, row, source, report, signal) : undefined;
    const base = image?.base ?? (await templates.find(row.team_id, row.base_template));
    const begin = (env: Readonly<Record<string, string>>): Partial<ImageConfig> =>
      image ? configOf(image, env) : inheritedConfig(base.settings, env);
    const { steps, config } = planBuild(recipe, begin(GUEST_ENVIRONMENT));
    const archive = await archives.open(row.id);
    return {
      id: formatId("build", row.id),
      team: formatId("team", row.team_id),
      ownPrograms: row.team_id === PLATFORM_TEAM,
      base,
      baseName: row.base_template,
      name: templateNameOf(row),
      hostKey: hostKeyOf(row),
      steps,
      config,
      fromImage,
      ...(image && {
        importAgain: async (inner) => await importAgain(images, row, { ...source, image }, inner),
      }),
      plan: (env) => planBuild(recipe, begin(env)),
      healthcheck: row.healthcheck,
      vcpus: row.vcpus,
      memoryMib: row.memory_mb,
      findMade: async (keys) => (await templates.findBuilt(row.team_id, templateNameOf(row), keys))?.id,
      archive,
      sources,
      secrets: new Map(Object.entries(secrets)),
      repeatFrom,
    };
  }

  /** Name, quota and end of the build are one transaction: it succeeds with its template, or without one it does not succeed. */
  async #succeed(row: BuildRow, built: BuiltTemplate | FoundVersion): Promise<void> {
    if ("versionId" in built) return await this.#succeedWith(row, built);
    const { database, templates, instanceId } = this.#deps;
    const name = templateNameOf(row);
    const replaces = await templates.requireFree(row.team_id, name, true);
    await database.db.transaction().execute(async (trx) => {
      const use = await quotaQueries.lockTeamUse(trx, row.team_id);
      requireStorage(use, { bytes: built.sizeBytes, checkpoints: 0, templates: replaces ? 0 : 1 });
      if (!(await buildQueries.lockRunning(trx, row.id, instanceId)))
        throw new BuildLost("the build ended while its template was stored");
      const envNames = Object.keys(built.defaultEnv);
      const { defaultUser: user, defaultCwd: cwd } = built;
      const madeBy = { teamId: row.team_id, actor: row.actor ?? undefined };
      const snapshot = { ...built, envNames, ...defined({ user, cwd }), ...madeBy, name };
      const version = await templates.putIn(trx, snapshot, true);
      if (!version) throw new Error(`the template ${name} was not stored`);
      await templates.tagIn(trx, version, row.recipe_options.tags);
      await buildQueries.endBuilds(
        trx,
        { id: row.id, owner: instanceId },
        {
          status: "success",
          templateId: version.id,
          defaultUser: built.defaultUser,
          defaultEnv: built.defaultEnv,
        },
      );
    });
  }

  /** The version is there: the tag moves to it, and the build ends. */
  async #succeedWith(row: BuildRow, { versionId }: FoundVersion): Promise<void> {
    const { database, templates, instanceId } = this.#deps;
    await database.db.transaction().execute(async (trx) => {
      if (!(await buildQueries.lockRunning(trx, row.id, instanceId)))
        throw new BuildLost("the build ended while its template was tagged");
      const version = await templates.retagIn(trx, row.team_id, templateNameOf(row), versionId);
      const made = await buildQueries.findBuildOf(trx, versionId);
      // It was deleted in this moment.
      if (!version) throw new WrennError("build_interrupted", {});
      await templates.tagIn(trx, version, row.recipe_options.tags);
      await buildQueries.endBuilds(
        trx,
        { id: row.id, owner: instanceId },
        {
          status: "success",
          templateId: version.id,
          ...defined({ defaultUser: version.default_user ?? undefined, defaultEnv: made?.default_env }),
        },
      );
    });
  }

  async #fail(row: BuildRow, error: unknown): Promise<void> {
    const { database, instanceId, logger } = this.#deps;
    const build = formatId("build", row.id);
    const known = error instanceof StepFailed ? stepFailed(error) : error;
    const isKnown = known instanceof WrennError;
    const shown = isKnown ? known : new WrennError("internal", {});
    const message = this.#masked(row, shown.message);
    // A recipe that fails is a fault of the request.
    if (isKnown) logger.info("build.failed", { build, problem: message });
    else logger.error("build.failed", { build, problem: this.#masked(row, problemOf(error)) });
    try {
      await buildQueries.endBuilds(
        database.db,
        { id: row.id, owner: instanceId },
        { status: "failed", problem: { reason: shown.reason, message } },
      );
    } catch (problem) {
      logger.warn("build.interrupted_later", { build, problem: problemOf(problem) });
    }
  }

  /** A text about a build without its secrets. */
  #masked(row: BuildRow, text: string): string {
    return maskSecrets(text, Object.values(requestedRecipe(row, this.#deps.sealed).secrets));
  }

  /** Writes waiting lines, and ends the build here when it was ended elsewhere. */
  async #look(recorder: BuildRecorder, abort: AbortController, finished: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    while (!finished.aborted && !abort.signal.aborted) {
      try {
        await clock.sleep(LOOK_MS, finished);
        await recorder.flush();
      } catch (error) {
        // A database that is away comes back, or the lease runs out.
        if (!finished.aborted && !abort.signal.aborted)
          logger.warn("build.look_failed", { problem: problemOf(error) });
      }
    }
  }
}

function stepFailed({ step, message }: StepFailed): WrennError {
  const problem = message.toWellFormed().replaceAll("\0", "").slice(0, MAX_PROBLEM);
  return new WrennError("build_failed", { phase: step.phase, step: step.step, problem });
}

/** A build is run once: its files need no other name. */
function hostKeyOf({ id }: BuildRow): string {
  return `tpl-${id}`;
}
