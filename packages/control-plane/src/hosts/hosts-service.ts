import { formatId, parseId, problemOf, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { capsuleQueries, hostQueries, sessionQueries, teamQueries, templateQueries } from "@wrenn/database";
import type { CapsuleRow, Database, Db, HostRow, HostType, LiveSession, Trx } from "@wrenn/database";
import { requireRole } from "../http/identity.ts";
import type { AuditLog } from "../audit/audit.ts";
import type { Fleet } from "./fleet.ts";
import type { HostEnrolment } from "./host-enrolment.ts";

const DESTROY_MS = 30_000;

export interface NewHost {
  readonly type: HostType;
  readonly teamId: string | undefined;
  readonly provider: string | undefined;
  readonly availabilityZone: string | undefined;
}

export interface HostsServiceDeps {
  readonly database: Database;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  readonly fleet: Fleet;
  readonly enrolment: HostEnrolment;
  readonly audit: AuditLog;
}

/**
 * Hosts as people see them (docs/reference/rest-api.md#hosts): administrators of the platform all of them, others those of the team that they act
 * in. Only administrators change those of the platform; owners and admins of a team change its own.
 */
export class HostsService {
  readonly #deps: HostsServiceDeps;

  constructor(deps: HostsServiceDeps) {
    this.#deps = deps;
  }

  /** @throws WrennError `admin_required`, `role_missing`, `byoc_disabled`, `other_team`. */
  async create(
    session: LiveSession,
    host: NewHost,
  ): Promise<{ readonly host: HostRow; readonly registrationToken: string }> {
    const { database, random, enrolment } = this.#deps;
    return await database.db.transaction().execute(async (trx) => {
      const live = await this.#lockSession(trx, session);
      const teamId = host.type === "byoc" ? await this.#requireByoc(trx, live, host.teamId) : null;
      if (teamId === null) requireAdmin(live);
      const row = await hostQueries.insertHost(trx, {
        id: random.uuid(),
        type: host.type,
        teamId,
        provider: host.provider ?? null,
        availabilityZone: host.availabilityZone ?? null,
        createdBy: session.userId,
      });
      await this.#audit(trx, session, row, "create");
      return { host: row, registrationToken: await enrolment.registrationToken(trx, row.id) };
    });
  }

  async list(session: LiveSession): Promise<readonly HostRow[]> {
    return await hostQueries.listHosts(this.#deps.database.db, session.isAdmin ? undefined : session.teamId);
  }

  /** @throws WrennError `host_not_found`, also for one that the person may not see. */
  async get(session: LiveSession, publicId: string): Promise<HostRow> {
    return await this.#find(this.#deps.database.db, session, publicId);
  }

  async #find(db: Db, session: LiveSession, publicId: string): Promise<HostRow> {
    const host = await hostQueries.findHost(db, parseId("host", publicId));
    if (!host || !(session.isAdmin || (host.team_id !== null && host.team_id === session.teamId)))
      throw new WrennError("host_not_found", {});
    return host;
  }

  /** @throws WrennError `host_registered`. */
  async renewToken(
    session: LiveSession,
    publicId: string,
  ): Promise<{ readonly host: HostRow; readonly registrationToken: string }> {
    const { database, enrolment } = this.#deps;
    return await database.db.transaction().execute(async (trx) => {
      const host = await this.#lockChangeable(trx, session, publicId);
      if (host.status !== "pending") throw new WrennError("host_registered", {});
      return { host, registrationToken: await enrolment.registrationToken(trx, host.id) };
    });
  }

  /**
   * Revokes everything that was issued to a host: its certificates, its tokens, and links that are open, within a few seconds in every
   * control plane. With the token of the answer it registers again and keeps its capsules.
   *
   * @throws WrennError `host_is_local`, `host_not_found`.
   */
  async rotate(
    session: LiveSession,
    publicId: string,
  ): Promise<{ readonly host: HostRow; readonly registrationToken: string }> {
    const { database, enrolment, fleet } = this.#deps;
    const { id, registrationToken } = await database.db.transaction().execute(async (trx) => {
      const host = await this.#lockChangeable(trx, session, publicId);
      if (host.address === null && host.status !== "pending") throw new WrennError("host_is_local", {});
      await hostQueries.revokeCredentials(trx, host.id);
      await this.#audit(trx, session, host, "rotate", "warning");
      return { id: host.id, registrationToken: await enrolment.registrationToken(trx, host.id) };
    });
    fleet.remove(id);
    return { host: await this.get(session, publicId), registrationToken };
  }

  /** What would go with the host: capsules, paused ones too, and the names of templates that were made there. */
  async contents(
    session: LiveSession,
    publicId: string,
  ): Promise<{
    readonly host: HostRow;
    readonly capsules: readonly CapsuleRow[];
    readonly templates: readonly string[];
  }> {
    const { db } = this.#deps.database;
    const host = await this.#getChangeable(db, session, publicId);
    const [capsules, templates] = await Promise.all([
      capsuleQueries.listHostCapsules(db, host.id),
      templateQueries.listHostTemplates(db, host.id),
    ]);
    return { host, capsules, templates };
  }

  /**
   * Gives up a host. With `force` its capsules are destroyed and its templates deleted; when it does not answer they are over
   * all the same.
   *
   * @throws WrennError `host_has_capsules` and `host_has_templates` without `force`, `host_is_local`.
   */
  async remove(session: LiveSession, publicId: string, force: boolean): Promise<void> {
    const { database, fleet, clock } = this.#deps;
    const { host, capsules, templates } = await this.contents(session, publicId);
    if (host.address === null && host.status !== "pending") throw new WrennError("host_is_local", {});
    const ids = capsules.map(({ id }) => formatId("capsule", id));
    if (ids.length > 0 && !force) throw new WrennError("host_has_capsules", { sandbox_ids: ids.join(", ") });
    if (templates.length > 0 && !force)
      throw new WrennError("host_has_templates", { templates: templates.join(", ") });
    const now = new Date(clock.now());
    // No capsule is placed there any more.
    await hostQueries.changeHostStatus(database.db, host.id, ["online"], "draining");
    await Promise.all(ids.map((id) => this.#destroy(host, id)));
    await database.db.transaction().execute(async (trx) => {
      await capsuleQueries.endCapsulesOf(trx, host.id, "its host was deleted", now);
      await hostQueries.deleteHost(trx, host.id);
      await this.#audit(trx, session, host, "delete", "warning");
    });
    fleet.remove(host.id);
  }

  /** A draining host keeps its capsules, gets no new ones, and no machine waits on it. @throws WrennError `host_not_found`. */
  async setDraining(session: LiveSession, publicId: string, draining: boolean): Promise<HostRow> {
    const { database, fleet } = this.#deps;
    const [from, to] = draining ? (["online", "draining"] as const) : (["draining", "online"] as const);
    await database.db.transaction().execute(async (trx) => {
      const host = await this.#lockChangeable(trx, session, publicId);
      if (await hostQueries.changeHostStatus(trx, host.id, [from], to))
        await this.#audit(trx, session, host, draining ? "drain" : "undrain");
    });
    const changed = await this.get(session, publicId);
    // At once; other control planes say it at their next look, and it is theirs to say to hosts that only they reach.
    fleet.allowWaiting(changed.id, changed.status !== "draining");
    return changed;
  }

  async tags(session: LiveSession, publicId: string): Promise<readonly string[]> {
    return await hostQueries.listHostTags(this.#deps.database.db, (await this.get(session, publicId)).id);
  }

  async addTag(session: LiveSession, publicId: string, tag: string): Promise<void> {
    await this.#deps.database.db.transaction().execute(async (trx) => {
      await hostQueries.addHostTag(trx, (await this.#lockChangeable(trx, session, publicId)).id, tag);
    });
  }

  async removeTag(session: LiveSession, publicId: string, tag: string): Promise<void> {
    await this.#deps.database.db.transaction().execute(async (trx) => {
      await hostQueries.removeHostTag(trx, (await this.#lockChangeable(trx, session, publicId)).id, tag);
    });
  }

  async #requireByoc(db: Db, session: LiveSession, teamId: string | undefined): Promise<string> {
    if (teamId !== session.teamId) {
      if (!session.isAdmin) throw new WrennError("other_team", {});
    } else if (!session.isAdmin) requireRole({ teamId, session }, "admin");
    const team = teamId === undefined ? undefined : await teamQueries.findTeam(db, teamId);
    if (!team) throw new WrennError("team_not_found", {});
    if (!team.is_byoc) throw new WrennError("byoc_disabled", {});
    return team.id;
  }

  /** A host that a person may change, and may until the end of the transaction. */
  async #lockChangeable(trx: Trx, session: LiveSession, publicId: string): Promise<HostRow> {
    return await this.#getChangeable(trx, await this.#lockSession(trx, session), publicId);
  }

  /** What a person may do now, and until the end of the transaction: a right may have ended since the request was admitted. */
  async #lockSession(trx: Trx, { id, teamId }: LiveSession): Promise<LiveSession> {
    const live = await sessionQueries.lockSession(trx, id, teamId, new Date(this.#deps.clock.now()));
    if (!live) throw new WrennError("token_invalid", {});
    return live;
  }

  async #getChangeable(db: Db, session: LiveSession, publicId: string): Promise<HostRow> {
    const host = await this.#find(db, session, publicId);
    if (!session.isAdmin) requireRole({ teamId: session.teamId, session }, "admin");
    return host;
  }

  async #destroy(host: HostRow, capsule: string): Promise<void> {
    const { fleet, logger } = this.#deps;
    try {
      await fleet.agent(host.id).destroyCapsule(capsule, AbortSignal.timeout(DESTROY_MS));
    } catch (error) {
      logger.warn("host.capsule_left", {
        host: formatId("host", host.id),
        capsule,
        problem: problemOf(error),
      });
    }
  }

  async #audit(
    db: Db,
    session: LiveSession,
    host: HostRow,
    action: string,
    status: "success" | "warning" = "success",
  ): Promise<void> {
    await this.#deps.audit.write(
      db,
      { teamId: host.team_id ?? session.teamId, session },
      { resource: "host", resourceId: formatId("host", host.id), action, scope: "admin", status },
    );
  }
}

function requireAdmin(session: LiveSession): void {
  if (!session.isAdmin) throw new WrennError("admin_required", {});
}
