import { formatId, parseId, WrennError } from "@wrenn/core";
import type { Clock, Random } from "@wrenn/core";
import { apiKeyQueries, eventQueries, portLinkQueries, sessionQueries } from "@wrenn/database";
import type { Database, PortLinkRow, QueuedTransactions, Trx } from "@wrenn/database";
import type { AuditLog } from "../audit/audit.ts";
import type { CapsuleRows } from "../capsules/capsule-rows.ts";
import { actorOf } from "../http/current-identity.ts";
import type { Identity } from "../http/identity.ts";

/** Of one capsule, among those that work. */
const MAX_LINKS = 1000;
/** A revoked link works at most this long, even when its revocation is not notified. */
const CACHE_MS = 2000;
const CACHE_SIZE = 10_000;

interface Cached {
  readonly link: PortLinkRow;
  readonly until: number;
}

export interface PortLinksDeps {
  readonly database: Database;
  readonly transactions: QueuedTransactions;
  readonly clock: Clock;
  readonly random: Random;
  readonly audit: AuditLog;
  readonly capsuleRows: CapsuleRows;
}

/** Signed links to ports: each is a row, which ends with the person or API key that made it (docs/reference/ports.md#signed-links). */
export class PortLinks {
  readonly #deps: PortLinksDeps;
  readonly #cache = new Map<string, Cached>();

  constructor(deps: PortLinksDeps) {
    this.#deps = deps;
  }

  /** @throws WrennError `capsule_not_found`, `capsule_not_running`, `limit_reached`, `token_invalid`, `api_key_invalid`. */
  async create(identity: Identity, publicId: string, port: number, seconds: number): Promise<PortLinkRow> {
    const { transactions, clock, random, audit, capsuleRows } = this.#deps;
    const capsule = await capsuleRows.get(identity.teamId, publicId);
    if (capsule.status === "stopped" || capsule.status === "error")
      throw new WrennError("capsule_not_running", { status: capsule.status });
    const createdAt = new Date(clock.now());
    const wanted = new Date(createdAt.getTime() + seconds * 1000);
    return await transactions.run("team", identity.teamId, async (trx) => {
      const { creator, latest } = await this.#creator(trx, identity, createdAt);
      const link = {
        id: random.uuid(),
        capsuleId: capsule.id,
        port,
        teamId: identity.teamId,
        creator,
        createdAt,
        // It never outlives the key that made it.
        expiresAt: latest && latest < wanted ? latest : wanted,
      };
      const row = await portLinkQueries.insertPortLink(trx, link, MAX_LINKS);
      if (!row) throw new WrennError("limit_reached", { limit: MAX_LINKS, things: "links to this capsule" });
      await audit.write(trx, identity, entryOf(row, publicId, "create"));
      await emit(trx, identity, row, "port.link_created");
      return row;
    });
  }

  /** Those that work, newest first. @throws WrennError `capsule_not_found`. */
  async list(teamId: string, publicId: string, port: number | undefined): Promise<readonly PortLinkRow[]> {
    const { database, capsuleRows, clock } = this.#deps;
    const capsule = await capsuleRows.get(teamId, publicId);
    return await portLinkQueries.listPortLinks(database.db, capsule.id, port, new Date(clock.now()));
  }

  /** Ends a link with the connections that it opened. @throws WrennError `capsule_not_found`, `port_link_not_found`. */
  async revoke(identity: Identity, publicId: string, port: number, linkId: string): Promise<void> {
    const { database, audit, capsuleRows } = this.#deps;
    const id = parseId("portLink", linkId);
    const capsule = await capsuleRows.get(identity.teamId, publicId);
    await database.db.transaction().execute(async (trx) => {
      if (!(await portLinkQueries.deletePortLink(trx, capsule.id, port, id)))
        throw new WrennError("port_link_not_found", {});
      await audit.write(trx, identity, entryOf({ id, port }, publicId, "revoke"));
      await emit(trx, identity, { id, port, sandbox_id: capsule.id }, "port.link_revoked");
    });
    this.forget(linkId);
  }

  /** The UUID of a link to the port that works now; undefined for one that does not. */
  async find(linkId: string, publicId: string, port: number): Promise<string | undefined> {
    const link = await this.#find(linkId);
    if (link?.port !== port || formatId("capsule", link.sandbox_id) !== publicId) return undefined;
    return link.id;
  }

  /** Lets the revocation of a link count at once; without it every link is looked up again. */
  forget(linkId?: string): void {
    if (linkId === undefined) this.#cache.clear();
    else this.#cache.delete(linkId);
  }

  async #find(linkId: string): Promise<PortLinkRow | undefined> {
    const { database, clock } = this.#deps;
    const cached = this.#cache.get(linkId);
    if (cached && cached.until > clock.monotonic()) return cached.link;
    const link = await portLinkQueries.findPortLink(
      database.db,
      parseId("portLink", linkId),
      new Date(clock.now()),
    );
    if (!link) return undefined;
    if (this.#cache.size >= CACHE_SIZE) this.#cache.clear();
    this.#cache.set(linkId, { link, until: clock.monotonic() + CACHE_MS });
    return link;
  }

  /** Who makes a link, held until the end of the transaction, and when their access ends at the latest. */
  async #creator(
    trx: Trx,
    { session, key, teamId }: Identity,
    now: Date,
  ): Promise<{
    readonly creator: { readonly userId: string } | { readonly keyId: string };
    readonly latest?: Date | null;
  }> {
    if (session) {
      if (!(await sessionQueries.lockSession(trx, session.id, teamId, now)))
        throw new WrennError("token_invalid", {});
      return { creator: { userId: session.userId } };
    }
    const live = key && (await apiKeyQueries.lockApiKey(trx, key.id, now));
    if (!live) throw new WrennError("api_key_invalid", {});
    return { creator: { keyId: live.id }, latest: live.expiresAt };
  }
}

async function emit(
  trx: Trx,
  identity: Identity,
  { id, port, sandbox_id: capsule }: Pick<PortLinkRow, "id" | "port" | "sandbox_id">,
  kind: "port.link_created" | "port.link_revoked",
): Promise<void> {
  await eventQueries.emitEvent(trx, {
    teamId: identity.teamId,
    kind,
    actor: actorOf(identity),
    resource: "port",
    resourceId: `${capsule}/tcp/${port}`,
    data: { link: formatId("portLink", id) },
  });
}

function entryOf(
  { id, port }: Pick<PortLinkRow, "id" | "port">,
  publicId: string,
  action: "create" | "revoke",
) {
  return {
    resource: "port_link",
    resourceId: formatId("portLink", id),
    action,
    ...(action === "revoke" ? { status: "warning" as const } : {}),
    metadata: { capsule: publicId, port: String(port) },
  };
}
