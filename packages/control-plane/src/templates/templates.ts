import { defined, WrennError } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { DEFAULT_TAG, discardedTemplateQueries, templateQueries } from "@wrenn/database";
import type { Actor, Database, TemplateOfTeam, TemplateRow, TemplateSettings, Trx } from "@wrenn/database";
import type { NetworkRules, TemplateFacts } from "@wrenn/protocol";
import type { Fleet } from "../hosts/fleet.ts";
import { PLATFORM_TEAM } from "../http/identity.ts";
import { builtInTemplates, builtOnDemand } from "./built-in-templates.ts";
import { discardFiles, removeVersion } from "./remove-version.ts";
import { resolveTemplate } from "./resolve-template.ts";
import { parseTemplateName, templateNameOf } from "./template-name.ts";

/** What has no name after this is not being made any more. */
export const MAKING_MS: number = 15 * 60_000;

/** Size of the disk of every built-in template. */
const BUILT_IN_DISK_MIB = 5120;

/** A template as a capsule is started from it. */
export interface FoundTemplate {
  /** What the host calls it. */
  readonly hostKey: string;
  /** The only host that has it, for one that has no name yet or is of an image; and of a moment that a capsule starts from. */
  readonly hostId?: string | undefined;
  /** Hosts that have it, the one first that made it, for one that was made of a capsule. To others it is copied. */
  readonly holders?: readonly string[] | undefined;
  /** Sizes that cannot be changed, for one that was made of a capsule. */
  readonly shape?: { readonly vcpus: number; readonly memoryMib: number };
  /** What its capsules may reach unless their create says otherwise; the default when absent. */
  readonly network?: NetworkRules;
  /** Size of its disk. */
  readonly diskMib: number;
  /** Names of the environment that its capsules start with. */
  readonly envNames: readonly string[];
  readonly user?: string;
  readonly cwd?: string;
  /** What a build that starts from it inherits. */
  readonly settings?: TemplateSettings;
}

export interface NewSnapshot {
  readonly teamId: string;
  /** `name` or `name:tag`. */
  readonly name: string;
  readonly hostKey: string;
  readonly hostId: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly sizeBytes: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** What the capsule may reach that it is made of. */
  readonly network?: NetworkRules;
  readonly diskMib: number;
  readonly envNames: readonly string[];
  readonly user?: string;
  readonly cwd?: string;
  readonly settings?: TemplateSettings;
  /** What led to it, for one that a build makes. */
  readonly buildKey?: string | undefined;
  /** UUID of the capsule that it is made of. */
  readonly madeOf?: string | undefined;
  /** Who makes it. */
  readonly actor?: Actor | undefined;
}

/** Templates: the built-in ones of the hosts, those that the platform made of its capsules for everybody, and those of teams. */
export class TemplatesService {
  readonly #database: Database;
  readonly #fleet: Fleet;
  readonly #random: Random;

  constructor(database: Database, fleet: Fleet, random: Random) {
    this.#database = database;
    this.#fleet = fleet;
    this.#random = random;
  }

  /** Facts of the built-in templates, for users of a team or, without one, for administrators. */
  async listBuiltIn(teamId?: string): Promise<readonly TemplateFacts[]> {
    return await this.#fleet.templates(builtInTemplates, teamId);
  }

  /**
   * The version that a reference stands for. No host has a say in it.
   *
   * @throws WrennError `template_not_found`, also for a template of another team that is not public; `template_tag_not_found`.
   */
  async find(teamId: string, reference: string): Promise<FoundTemplate> {
    const { db } = this.#database;
    const { namespace, name, tag } = parseTemplateName(reference);
    let row: TemplateRow | undefined;
    // Most creates name a template of their team: one query finds it.
    if (namespace === undefined && !builtInTemplates.has(name))
      row = await templateQueries.findTemplate(db, teamId, name, tag);
    if (!row) {
      const { owner } = await resolveTemplate(db, teamId, reference);
      if (owner === "built-in" && tag === DEFAULT_TAG)
        return { hostKey: name, diskMib: BUILT_IN_DISK_MIB, envNames: [] };
      row = owner === "built-in" ? undefined : await templateQueries.findTemplate(db, owner, name, tag);
    }
    if (!row) throw new WrennError("template_tag_not_found", { template: name, tag });
    return {
      hostKey: row.host_key,
      holders: [...(row.host_id === null ? [] : [row.host_id]), ...row.copy_host_ids],
      shape: { vcpus: row.vcpus, memoryMib: row.memory_mb },
      diskMib: row.disk_mb,
      envNames: row.env_names,
      settings: row.settings,
      ...defined({
        network: row.network ?? undefined,
        user: row.default_user ?? undefined,
        cwd: row.default_cwd ?? undefined,
      }),
    };
  }

  async list(teamId: string): Promise<readonly TemplateRow[]> {
    return await templateQueries.listTeamTemplates(this.#database.db, teamId);
  }

  /** Templates of every team that exists, with its name; newest first. */
  async listAll(): Promise<readonly TemplateOfTeam[]> {
    return await templateQueries.listAllTemplates(this.#database.db);
  }

  /**
   * @returns whether the version of this name and tag ends when another one takes its place.
   * @throws WrennError `template_name_reserved`, `template_name_taken` unless it is to be replaced.
   */
  async requireFree(teamId: string, tagged: string, overwrite: boolean): Promise<boolean> {
    const { db } = this.#database;
    const { name, tag } = parseTemplateName(tagged);
    const isReserved =
      builtInTemplates.has(name) || (teamId !== PLATFORM_TEAM && (await this.#isOfPlatform(teamId, name)));
    if (isReserved) throw new WrennError("template_name_reserved", { template: name });
    const taken = await templateQueries.findTemplate(db, teamId, name, tag);
    if (taken && !overwrite)
      throw new WrennError("template_name_taken", { template: templateNameOf({ name, tag }) });
    return taken?.tags.length === 1;
  }

  /** A team that had a template before the platform had one of this name goes on with it. */
  async #isOfPlatform(teamId: string, name: string): Promise<boolean> {
    const { db } = this.#database;
    if (await templateQueries.templateExists(db, PLATFORM_TEAM, name)) return true;
    return builtOnDemand.has(name) && !(await templateQueries.templateExists(db, teamId, name));
  }

  /** Before a host makes files of a template: what gets no name is removed, whatever ends first, host or control plane. */
  async begin(hostKey: string, hostId: string): Promise<void> {
    await discardedTemplateQueries.discardTemplate(this.#database.db, { hostKey, hostId }, MAKING_MS);
  }

  /** Of these files, those that are still without a name are removed after `inMs` at the latest. */
  async discardSoon(hostKeys: readonly string[], inMs: number): Promise<void> {
    await discardedTemplateQueries.hastenDiscard(this.#database.db, hostKeys, inMs);
  }

  /** Files of a template that gets no name after all: its host removes them. */
  async discard(hostKey: string, hostId: string): Promise<void> {
    await discardedTemplateQueries.discardTemplate(this.#database.db, { hostKey, hostId }, 0);
  }

  /**
   * Puts a snapshot under its name and tag. The version that it replaces ends unless it has another tag; its host removes its files
   * as soon as no capsule uses them.
   *
   * @throws WrennError `template_name_taken` when another request was quicker and it is not to be replaced.
   */
  async put(snapshot: NewSnapshot, overwrite: boolean): Promise<TemplateRow> {
    const row = await this.#database.db
      .transaction()
      .execute(async (trx) => await this.putIn(trx, snapshot, overwrite));
    if (row) return row;
    await discardedTemplateQueries.discardTemplate(this.#database.db, snapshot, 0);
    throw new WrennError("template_name_taken", { template: snapshot.name });
  }

  /** The same in a transaction of the caller. @returns undefined when the name is taken. */
  async putIn(trx: Trx, snapshot: NewSnapshot, overwrite: boolean): Promise<TemplateRow | undefined> {
    const { name, tag } = parseTemplateName(snapshot.name);
    const template = { ...snapshot, id: this.#random.uuid(), name };
    const put = await templateQueries.putTemplate(trx, template, { tag, overwrite });
    if (!put) return undefined;
    if (put.replaced) await discardFiles(trx, put.replaced);
    await discardedTemplateQueries.forgetDiscarded(trx, snapshot.hostKey, snapshot.hostId);
    return put.row;
  }

  /** A version of a template that a build with one of these keys has made. */
  async findBuilt(teamId: string, tagged: string, keys: readonly string[]): Promise<TemplateRow | undefined> {
    const { name } = parseTemplateName(tagged);
    return await templateQueries.findBuiltVersion(this.#database.db, teamId, name, keys);
  }

  /** Gives a tag to a version that is there, as {@link putIn} does to a new one. @returns undefined when it is gone. */
  async retagIn(
    trx: Trx,
    teamId: string,
    tagged: string,
    versionId: string,
  ): Promise<TemplateRow | undefined> {
    const { name, tag } = parseTemplateName(tagged);
    const put = await templateQueries.retagTemplate(trx, { teamId, name, tag }, versionId);
    if (put?.replaced) await discardFiles(trx, put.replaced);
    return put?.row;
  }

  /** Gives more tags to a version that was just made. */
  async tagIn(
    trx: Trx,
    { team_id: team, name, id }: TemplateRow,
    tags: readonly string[] = [],
  ): Promise<void> {
    for (const tag of tags) await this.retagIn(trx, team, `${name}:${tag}`, id);
  }

  /**
   * Deletes a template with all its versions. Capsules of other teams do not keep a public template: its files are removed when
   * the last of them has ended.
   *
   * @throws WrennError `template_not_found`, `template_protected`, `template_in_use` with the capsules of the team that use it; then
   * the versions that they use stay.
   */
  async remove(teamId: string, name: string): Promise<void> {
    if (builtInTemplates.has(name)) throw new WrennError("template_protected", { template: name });
    const { db } = this.#database;
    const versions = await templateQueries.listVersions(db, teamId, name);
    if (versions.length === 0) {
      const isPublic = await templateQueries.templateExists(db, PLATFORM_TEAM, name);
      throw new WrennError(isPublic ? "template_protected" : "template_not_found", { template: name });
    }
    const dependants: string[] = [];
    for (const version of versions)
      try {
        await removeVersion({ database: this.#database, fleet: this.#fleet }, version);
      } catch (error) {
        if (!WrennError.is(error, "template_in_use")) throw error;
        dependants.push(String(error.context["dependants"]));
      }
    if (dependants.length > 0) throw new WrennError("template_in_use", { dependants: dependants.join(", ") });
  }
}
