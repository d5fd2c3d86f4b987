import { WrennError } from "@wrenn/core";
import type { Random } from "@wrenn/core";
import {
  deleteTemplate,
  findTemplate,
  listAllTemplates,
  listTeamTemplates,
  putTemplate,
} from "@wrenn/database";
import type { Database, TemplateOfTeam, TemplateRow } from "@wrenn/database";
import type { Fleet } from "../hosts/fleet.ts";
import { PLATFORM_TEAM } from "./bootstrap.ts";

const DELETE_MS = 60_000;

/** A template as a capsule is started from it. */
export interface FoundTemplate {
  /** What the host calls it. */
  readonly hostKey: string;
  /** The only host that has it, for one that was made of a capsule. */
  readonly hostId?: string | undefined;
  /** Sizes that cannot be changed, for one that was made of a capsule. */
  readonly shape?: { readonly vcpus: number; readonly memoryMb: number };
}

export interface NewSnapshot {
  readonly teamId: string;
  readonly name: string;
  readonly hostKey: string;
  readonly hostId: string;
  readonly vcpus: number;
  readonly memoryMb: number;
  readonly sizeBytes: number;
  readonly metadata: Readonly<Record<string, string>>;
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

  /** @throws WrennError `template_not_found`. */
  async find(teamId: string, name: string): Promise<FoundTemplate> {
    if (await this.#isPlatform(name)) return { hostKey: name };
    // A team's own comes before one that the platform gave the same name later.
    const row =
      (await findTemplate(this.#database.db, teamId, name)) ??
      (await findTemplate(this.#database.db, PLATFORM_TEAM, name));
    if (!row) throw new WrennError("template_not_found", { template: name });
    return {
      hostKey: row.host_key,
      hostId: row.host_id ?? undefined,
      shape: { vcpus: row.vcpus, memoryMb: row.memory_mb },
    };
  }

  async list(teamId: string): Promise<readonly TemplateRow[]> {
    return await listTeamTemplates(this.#database.db, teamId);
  }

  /** Templates of every team that exists, with its name; newest first. */
  async listAll(): Promise<readonly TemplateOfTeam[]> {
    return await listAllTemplates(this.#database.db);
  }

  /** @throws WrennError `template_name_reserved`, `template_name_taken` unless it is to be replaced. */
  async requireFree(teamId: string, name: string, overwrite: boolean): Promise<void> {
    const isReserved =
      (await this.#isPlatform(name)) ||
      (teamId !== PLATFORM_TEAM &&
        (await findTemplate(this.#database.db, PLATFORM_TEAM, name)) !== undefined);
    if (isReserved) throw new WrennError("template_name_reserved", { template: name });
    if (!overwrite && (await findTemplate(this.#database.db, teamId, name)))
      throw new WrennError("template_name_taken", { template: name });
  }

  /**
   * Puts a snapshot under its name; one that it replaces is removed unless a capsule uses it.
   *
   * @throws WrennError `template_name_taken` when somebody else was quicker and it is not to be replaced.
   */
  async put(snapshot: NewSnapshot, overwrite: boolean): Promise<TemplateRow> {
    const replaced = await findTemplate(this.#database.db, snapshot.teamId, snapshot.name);
    const row = await this.#record(snapshot, overwrite);
    if (replaced) await this.#removeUnused(replaced);
    return row;
  }

  /** @throws WrennError `template_not_found`, `template_protected`, `template_in_use` with the capsules that use it. */
  async remove(teamId: string, name: string): Promise<void> {
    if (await this.#isPlatform(name)) throw new WrennError("template_protected", { template: name });
    const row = await findTemplate(this.#database.db, teamId, name);
    if (!row) {
      const isPublic = (await findTemplate(this.#database.db, PLATFORM_TEAM, name)) !== undefined;
      throw new WrennError(isPublic ? "template_protected" : "template_not_found", { template: name });
    }
    await this.#fleet.of(row).deleteSnapshot(row.host_key, AbortSignal.timeout(DELETE_MS));
    await deleteTemplate(this.#database.db, row.id);
  }

  /** What has no name could never be asked for or deleted: the host forgets it then. */
  async #record(snapshot: NewSnapshot, overwrite: boolean): Promise<TemplateRow> {
    try {
      const template = { id: this.#random.uuid(), ...snapshot };
      const row = await putTemplate(this.#database.db, template, overwrite);
      if (!row) throw new WrennError("template_name_taken", { template: snapshot.name });
      return row;
    } catch (error) {
      const host = this.#fleet.agent(snapshot.hostId);
      await host.deleteSnapshot(snapshot.hostKey, AbortSignal.timeout(DELETE_MS)).catch(() => {});
      throw error;
    }
  }

  async #isPlatform(name: string): Promise<boolean> {
    return (await this.#fleet.templates()).some((template) => template.name === name);
  }

  async #removeUnused(replaced: TemplateRow): Promise<void> {
    try {
      await this.#fleet.of(replaced).deleteSnapshot(replaced.host_key, AbortSignal.timeout(DELETE_MS));
    } catch (error) {
      // Capsules that were started from it keep it.
      if (!WrennError.is(error, "template_in_use")) throw error;
    }
  }
}
