import { defined, WrennError } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import { discardedTemplateQueries, templateQueries } from "@wrenn/database";
import type { Database, NewTemplate, TemplateOfTeam, TemplateRow, Trx } from "@wrenn/database";
import type { NetworkRules, TemplateFacts } from "@wrenn/protocol";
import type { Fleet } from "../hosts/fleet.ts";
import { PLATFORM_TEAM } from "../http/identity.ts";
import { builtInTemplates } from "./built-in-templates.ts";

const DELETE_MS = 60_000;
/** What has no name after this is not being made any more. */
const MAKING_MS = 15 * 60_000;
/** Capsules that are to be started from what is replaced now are known to the host after this. */
const REPLACED_MS = 60_000;

/** A template as a capsule is started from it. */
export interface FoundTemplate {
  /** What the host calls it. */
  readonly hostKey: string;
  /** The only host that has it, for one that was made of a capsule. */
  readonly hostId?: string | undefined;
  /** Sizes that cannot be changed, for one that was made of a capsule. */
  readonly shape?: { readonly vcpus: number; readonly memoryMib: number };
  /** What its capsules may reach unless their create says otherwise; the default when absent. */
  readonly network?: NetworkRules;
}

export interface NewSnapshot {
  readonly teamId: string;
  readonly name: string;
  readonly hostKey: string;
  readonly hostId: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  readonly sizeBytes: number;
  readonly metadata: Readonly<Record<string, string>>;
  /** What the capsule may reach that it is made of. */
  readonly network?: NetworkRules;
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

  /** No host has a say in what a name stands for. @throws WrennError `template_not_found`. */
  async find(teamId: string, name: string): Promise<FoundTemplate> {
    if (builtInTemplates.has(name)) return { hostKey: name };
    // A team's own comes before one that the platform gave the same name later.
    const row =
      (await templateQueries.findTemplate(this.#database.db, teamId, name)) ??
      (await templateQueries.findTemplate(this.#database.db, PLATFORM_TEAM, name));
    if (!row) throw new WrennError("template_not_found", { template: name });
    return {
      hostKey: row.host_key,
      hostId: row.host_id ?? undefined,
      shape: { vcpus: row.vcpus, memoryMib: row.memory_mb },
      ...defined({ network: row.network ?? undefined }),
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
   * @returns whether there is one of this name, which is to be replaced.
   * @throws WrennError `template_name_reserved`, `template_name_taken` unless it is to be replaced.
   */
  async requireFree(teamId: string, name: string, overwrite: boolean): Promise<boolean> {
    const isReserved =
      builtInTemplates.has(name) ||
      (teamId !== PLATFORM_TEAM &&
        (await templateQueries.findTemplate(this.#database.db, PLATFORM_TEAM, name)) !== undefined);
    if (isReserved) throw new WrennError("template_name_reserved", { template: name });
    const isTaken = (await templateQueries.findTemplate(this.#database.db, teamId, name)) !== undefined;
    if (isTaken && !overwrite) throw new WrennError("template_name_taken", { template: name });
    return isTaken;
  }

  /** Before a host makes files of a template: what gets no name is removed, whatever ends first, host or control plane. */
  async begin(hostKey: string, hostId: string): Promise<void> {
    await discardedTemplateQueries.discardTemplate(this.#database.db, { hostKey, hostId }, MAKING_MS);
  }

  /** Files of a template that gets no name after all: its host removes them. */
  async discard(hostKey: string, hostId: string): Promise<void> {
    await discardedTemplateQueries.discardTemplate(this.#database.db, { hostKey, hostId }, 0);
  }

  /**
   * Puts a snapshot under its name. Its host removes what it replaces, as soon as no capsule uses it.
   *
   * @throws WrennError `template_name_taken` when somebody else was quicker and it is not to be replaced.
   */
  async put(snapshot: NewSnapshot, overwrite: boolean): Promise<TemplateRow> {
    const template = { id: this.#random.uuid(), ...snapshot };
    const row = await this.#database.db.transaction().execute(async (trx) => {
      const put =
        (await templateQueries.putTemplate(trx, template)) ??
        (overwrite ? await replace(trx, template) : undefined);
      if (put) await discardedTemplateQueries.forgetDiscarded(trx, snapshot.hostKey);
      return put;
    });
    if (row) return row;
    await discardedTemplateQueries.discardTemplate(this.#database.db, snapshot, 0);
    throw new WrennError("template_name_taken", { template: snapshot.name });
  }

  /** @throws WrennError `template_not_found`, `template_protected`, `template_in_use` with the capsules that use it. */
  async remove(teamId: string, name: string): Promise<void> {
    if (builtInTemplates.has(name)) throw new WrennError("template_protected", { template: name });
    const row = await templateQueries.findTemplate(this.#database.db, teamId, name);
    if (!row) {
      const isPublic =
        (await templateQueries.findTemplate(this.#database.db, PLATFORM_TEAM, name)) !== undefined;
      throw new WrennError(isPublic ? "template_protected" : "template_not_found", { template: name });
    }
    await this.#fleet.of(row).deleteSnapshot(row.host_key, AbortSignal.timeout(DELETE_MS));
    await templateQueries.deleteTemplate(this.#database.db, row.id);
  }
}

async function replace(trx: Trx, template: NewTemplate): Promise<TemplateRow | undefined> {
  const changed = await templateQueries.replaceTemplate(trx, template);
  if (!changed) return undefined;
  const { host_key: hostKey, host_id: hostId, team_id: teamId, size_bytes: size } = changed.replaced;
  const counted = { teamId, sizeBytes: Number(size) };
  if (hostId !== null)
    await discardedTemplateQueries.discardTemplate(trx, { hostKey, hostId, counted }, REPLACED_MS);
  return changed.row;
}
