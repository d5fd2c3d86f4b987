import { WrennError } from "@wrenn/core";
import { templateQueries } from "@wrenn/database";
import type { Database, TagRow, TemplateOfTeam, TemplateRow, Trx } from "@wrenn/database";
import type { Fleet } from "../hosts/fleet.ts";
import { removeVersion } from "./remove-version.ts";
import { requireOwnTemplate, resolveTemplate } from "./resolve-template.ts";

/** Of one template. */
const MAX_TAGS = 100;
/** Public templates that are listed. */
const MAX_PUBLIC = 1000;

/** A template as who may start capsules from it sees it. */
export interface TemplateWithVersions {
  /** Newest first; none for a built-in template. */
  readonly versions: readonly TemplateRow[];
  readonly tags: readonly TagRow[];
  readonly isOwn: boolean;
}

/** Versions, tags and visibility of templates (docs/reference/rest-api.md#templates). */
export class TemplateVersions {
  readonly #database: Database;
  readonly #fleet: Fleet;

  constructor(database: Database, fleet: Fleet) {
    this.#database = database;
    this.#fleet = fleet;
  }

  /** @throws WrennError `template_not_found`. */
  async get(teamId: string, reference: string): Promise<TemplateWithVersions> {
    const { db } = this.#database;
    const { owner, name } = await resolveTemplate(db, teamId, reference);
    if (owner === "built-in") return { versions: [], tags: [], isOwn: false };
    const [versions, tags] = await Promise.all([
      templateQueries.listVersions(db, owner, name),
      templateQueries.listTags(db, owner, name),
    ]);
    return { versions, tags, isOwn: owner === teamId };
  }

  /** Templates that teams have made public, newest first. */
  async listPublic(): Promise<readonly TemplateOfTeam[]> {
    return await templateQueries.listPublicTemplates(this.#database.db, MAX_PUBLIC);
  }

  /** Lets every team see a template and start capsules from a template, or no longer. @throws WrennError `template_not_found`, `template_protected`. */
  async setPublic(teamId: string, name: string, isPublic: boolean): Promise<void> {
    await this.#change(teamId, name, async (trx) => {
      await templateQueries.setPublic(trx, teamId, name, isPublic);
    });
  }

  /**
   * Gives a tag to a version, and takes it from the one that had it.
   *
   * @throws WrennError `template_version_not_found`, `quota_exceeded` beyond {@link MAX_TAGS}, `template_not_found`, `template_protected`.
   */
  async setTag(teamId: string, name: string, tag: string, version: number): Promise<void> {
    await this.#change(teamId, name, async (trx) => {
      const row = (await templateQueries.listVersions(trx, teamId, name)).find(
        (one) => one.version === version,
      );
      if (!row) throw new WrennError("template_version_not_found", { template: name, version });
      const tags = await templateQueries.listTags(trx, teamId, name);
      if (tags.length >= MAX_TAGS && !tags.some((one) => one.tag === tag))
        throw new WrennError("quota_exceeded", {
          what: "tags of a template",
          limit: MAX_TAGS,
          wanted: tags.length + 1,
        });
      await templateQueries.setTag(trx, { teamId, name, tag }, row.id);
    });
  }

  /** Takes a tag away; its version stays. @throws WrennError `template_tag_not_found`, `template_not_found`, `template_protected`. */
  async deleteTag(teamId: string, name: string, tag: string): Promise<void> {
    await this.#change(teamId, name, async (trx) => {
      if (!(await templateQueries.deleteTag(trx, { teamId, name, tag })))
        throw new WrennError("template_tag_not_found", { template: name, tag });
    });
  }

  /**
   * Deletes a version with its tags; the last one takes the template with it.
   *
   * @throws WrennError `template_version_not_found`, `template_in_use`, `template_not_found`, `template_protected`.
   */
  async removeVersion(teamId: string, name: string, version: number): Promise<void> {
    const { db } = this.#database;
    await requireOwnTemplate(db, teamId, name);
    const row = (await templateQueries.listVersions(db, teamId, name)).find((one) => one.version === version);
    if (!row) throw new WrennError("template_version_not_found", { template: name, version });
    await removeVersion({ database: this.#database, fleet: this.#fleet }, row);
  }

  /** Changes a template of the team; others that change it wait. */
  async #change(teamId: string, name: string, work: (trx: Trx) => Promise<void>): Promise<void> {
    await this.#database.db.transaction().execute(async (trx) => {
      await requireOwnTemplate(trx, teamId, name);
      const isThere = await templateQueries.lockTemplate(trx, teamId, name);
      if (!isThere) throw new WrennError("template_not_found", { template: name });
      await work(trx);
    });
  }
}
