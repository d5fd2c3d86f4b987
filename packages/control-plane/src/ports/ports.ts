import type { Duplex } from "node:stream";
import { parseId, WrennError } from "@wrenn/core";
import { capsuleQueries, eventQueries, portQueries } from "@wrenn/database";
import type { Database, CapsuleRow } from "@wrenn/database";
import type { Sessions } from "../accounts/sessions.ts";
import { grantOf } from "../http/access-grants.ts";
import type { AccessGrant } from "../http/access-grants.ts";
import type { AccessWatch } from "../http/access-watch.ts";
import { currentActor } from "../http/current-identity.ts";
import { requireScope } from "../http/identity.ts";
import type { RequestAuthenticator } from "../http/identity.ts";
import type { CapsuleRows } from "../capsules/capsule-rows.ts";
import type { PortLinks } from "./port-links.ts";
import type { RunningCapsules } from "../capsules/running-capsules.ts";

type Access = "public" | "private";

/** How ports of capsules are reached from outside. */
export interface PortAddresses {
  /** What the addresses of all ports have in common: `{scheme}://{port}-{capsule id}.{domain}:{port}/`. */
  portOrigin(): { readonly scheme: "http" | "https"; readonly domain: string; readonly port: number };
  portUrl(capsuleId: string, port: number): string;
  /** The address of a signed link, by its public id, until `expiresAt` (ms since the epoch). */
  portLink(
    capsuleId: string,
    port: number,
    link: { readonly id: string; readonly expiresAt: number },
  ): string;
  /**
   * A connection to a port of a running capsule, whose directions end on their own.
   *
   * @param signal - gives the attempt up.
   * @throws WrennError such as `port_not_listening`.
   */
  openPort(capsuleId: string, port: number, signal: AbortSignal): Promise<Duplex>;
  /**
   * Where a browser gets into a port with a login (UUID). `binding` says which browser; `path` is a raw request target in
   * origin form.
   */
  portEntrance(
    capsuleId: string,
    port: number,
    login: { readonly sessionId: string; readonly binding: string; readonly path: string },
  ): string;
}

/** Where a capsule's ports are and who may use them, as the edge asks for it. */
export interface PortRoute {
  readonly status: string;
  readonly address: string | undefined;
  /** UUID of its host. */
  readonly hostId: string | null;
  readonly autoResume: boolean;
  /** UUID of the team. */
  readonly owner: string;
  /** Ports that everyone may use; `all` where each of them may be used. */
  readonly publicPorts: readonly number[] | "all";
  /** Ports whose services speak TLS. */
  readonly tlsPorts: readonly number[];
}

/** Access to a port, which is watched while it is used. */
export interface PortAdmission {
  /** Calls `onEnd` once when the access ends, until the function that it returns is called. */
  hold(onEnd: (reason: WrennError) => void): () => void;
}

export interface PortsDeps {
  readonly database: Database;
  readonly capsuleRows: CapsuleRows;
  readonly runningCapsules: RunningCapsules;
  readonly authenticator: RequestAuthenticator;
  readonly sessions: Sessions;
  readonly links: PortLinks;
  readonly access: AccessWatch;
}

/** Ports of capsules: what users set, and what the edge needs to know. */
export class PortsService {
  readonly #deps: PortsDeps;
  readonly #observers = new Set<(capsuleId: string) => void>();

  constructor(deps: PortsDeps) {
    this.#deps = deps;
  }

  /** Tells the observer whenever the access of a capsule's ports changed; returns the unsubscriber. */
  observe(observer: (capsuleId: string) => void): () => void {
    this.#observers.add(observer);
    return () => this.#observers.delete(observer);
  }

  async list(teamId: string, publicId: string): Promise<readonly { port: number; access: Access }[]> {
    const row = await this.#deps.capsuleRows.get(teamId, publicId);
    return (await portQueries.listPortAccess(this.#deps.database.db, row.id)).map(({ port, access }) => ({
      port,
      access,
    }));
  }

  async set(teamId: string, publicId: string, port: number, access: Access): Promise<void> {
    const row = await this.#deps.capsuleRows.get(teamId, publicId);
    if (row.status === "stopped" || row.status === "error")
      throw new WrennError("capsule_not_running", { status: row.status });
    if (access === "public") await this.requirePublicAllowed(teamId);
    await this.#deps.database.db.transaction().execute(async (trx) => {
      if (!(await portQueries.setPortAccess(trx, { sandbox_id: row.id, port, access }))) return;
      await eventQueries.emitEvent(trx, {
        teamId,
        kind: "port.access_changed",
        actor: currentActor(),
        resource: "port",
        resourceId: `${row.id}/tcp/${port}`,
        data: { access },
      });
    });
    this.accessChanged(publicId);
  }

  /** @throws WrennError `public_ports_forbidden` for a team whose capsules have no public ports. */
  async requirePublicAllowed(teamId: string): Promise<void> {
    if (!(await portQueries.allowsPublicPorts(this.#deps.database.db, teamId)))
      throw new WrennError("public_ports_forbidden", {});
  }

  /** Reports to the observers that the access of a capsule's ports changed, here or at another control plane. */
  accessChanged(publicId: string): void {
    for (const observer of this.#observers) observer(publicId);
  }

  /** The capsule of whatever team; undefined when there is none. */
  async find(publicId: string): Promise<PortRoute | undefined> {
    const row = await this.#any(publicId);
    if (!row) return undefined;
    // A capsule that is used through its ports is not one that its client left behind.
    if (row.status === "running" && row.last_active_at === null) await this.#deps.capsuleRows.touch(row.id);
    const ports = await portQueries.listPortAccess(this.#deps.database.db, row.id);
    return {
      owner: row.team_id,
      status: row.status,
      address: row.status === "running" ? (row.host_ip ?? undefined) : undefined,
      hostId: row.host_id,
      autoResume: row.status === "paused" && row.auto_resume,
      publicPorts: await this.#allowed(
        row.team_id,
        row.ingress?.ports === "all"
          ? "all"
          : ports.filter(({ access }) => access === "public").map(({ port }) => port),
      ),
      tlsPorts: row.ingress?.tlsPorts ?? [],
    };
  }

  /** Resumes a paused capsule on behalf of somebody who was admitted to it. */
  async resume(publicId: string): Promise<void> {
    const row = await this.#any(publicId);
    if (!row) throw new WrennError("capsule_not_found", {});
    await this.#deps.runningCapsules.resume(row.team_id, publicId);
  }

  /** The access of credentials that belong to the capsule's team. */
  async admits(
    publicId: string,
    headers: Readonly<Record<string, string>>,
  ): Promise<PortAdmission | undefined> {
    try {
      const identity = await this.#deps.authenticator.authenticate(headers);
      requireScope(identity, "run");
      if ((await this.#any(publicId))?.team_id !== identity.teamId) return undefined;
      return this.#admission(grantOf(identity, "run"));
    } catch (error) {
      if (error instanceof WrennError && error.entry.fault === "user") return undefined;
      throw error;
    }
  }

  /** The access of a login (UUID) that lives and whose user belongs to the capsule's team, whichever team it turned to last. */
  async admitsSession(publicId: string, sessionId: string): Promise<PortAdmission | undefined> {
    const row = await this.#any(publicId);
    const session = row && (await this.#deps.sessions.find(sessionId, row.team_id));
    if (!session) return undefined;
    return this.#admission(grantOf({ teamId: row.team_id, session }, "run"));
  }

  /** The access of a signed link to this port, by its public id. */
  async admitsLink(publicId: string, port: number, linkId: string): Promise<PortAdmission | undefined> {
    const id = await this.#deps.links.find(linkId, publicId, port);
    return id === undefined ? undefined : this.#admission({ kind: "link", linkId: id });
  }

  /** The access of everyone to a public port. */
  admitsPublic(publicId: string, port: number): PortAdmission {
    return this.#admission({ kind: "public", capsuleId: publicId, port });
  }

  /** The ports, or none when the team cannot have public ones any longer. */
  async #allowed(teamId: string, ports: PortRoute["publicPorts"]): Promise<PortRoute["publicPorts"]> {
    if (ports.length === 0) return ports;
    return (await portQueries.allowsPublicPorts(this.#deps.database.db, teamId)) ? ports : [];
  }

  #admission(grant: AccessGrant): PortAdmission {
    return { hold: (onEnd) => this.#deps.access.hold(grant, onEnd) };
  }

  async #any(publicId: string): Promise<CapsuleRow | undefined> {
    return await capsuleQueries.findAnyCapsule(this.#deps.database.db, parseId("capsule", publicId));
  }
}
