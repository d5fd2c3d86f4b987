import type { Clock } from "@wrenn/core";
import type { CredentialAttempts } from "../access/credential-attempts.ts";
import type { CredentialChecks, PortGrant } from "../access/port-grant.ts";
import type { PortTarget } from "../port-target.ts";
import type { CapsuleRoute, CapsuleRoutes } from "../routing/capsule-route.ts";
import { errorFromWire, routeFromWire } from "./messages.ts";
import type { ServerLink } from "./server-link.ts";

const ASK_MS = 15_000;
/** Longer than the edge waits for a capsule that is resumed. */
const RESUME_MS = 120_000;
/** A grant that no request rests on is given back after this time; a request rests on its grants as soon as it is admitted. */
const UNUSED_MS = 10_000;

/** Access that the server granted, and watches. */
class LinkedGrant implements PortGrant {
  readonly number: number;
  readonly #release: () => void;
  readonly #holders = new Set<(reason: unknown) => void>();
  readonly grantedAt: number;
  #ended: { readonly reason: unknown } | undefined;
  wasHeld = false;

  constructor(number: number, now: number, release: () => void) {
    this.number = number;
    this.grantedAt = now;
    this.#release = release;
  }

  hold(onEnd: (reason: unknown) => void): () => void {
    this.wasHeld = true;
    if (this.#ended) onEnd(this.#ended.reason);
    // One function may be passed twice.
    const holder = (reason: unknown): void => onEnd(reason);
    this.#holders.add(holder);
    return () => {
      if (this.#holders.delete(holder) && this.#holders.size === 0) this.#release();
    };
  }

  end(reason: unknown): void {
    this.#ended = { reason };
    for (const holder of this.#holders) holder(reason);
  }
}

/** The platform as the port process knows it: the server answers for it. */
export class LinkedPlatform implements CapsuleRoutes, CredentialChecks, CredentialAttempts {
  readonly #link: ServerLink;
  readonly #clock: Clock;
  readonly #granted = new Map<number, LinkedGrant>();
  #nextPublic = -1;

  constructor(link: ServerLink, clock: Clock) {
    this.#link = link;
    this.#clock = clock;
  }

  async find(capsule: string, signal: AbortSignal): Promise<CapsuleRoute | undefined> {
    return routeFromWire(await this.#link.ask({ type: "find", capsule }, ASK_MS, signal));
  }

  async resume(capsule: string, signal: AbortSignal): Promise<void> {
    await this.#link.ask({ type: "resume", capsule }, RESUME_MS, signal);
  }

  async apiKey(key: string, capsule: string, signal: AbortSignal): Promise<PortGrant | undefined> {
    return await this.#check("api_key", key, { capsuleId: capsule, port: 0 }, signal);
  }

  async bearer(token: string, capsule: string, signal: AbortSignal): Promise<PortGrant | undefined> {
    return await this.#check("bearer", token, { capsuleId: capsule, port: 0 }, signal);
  }

  async session(id: string, capsule: string, signal: AbortSignal): Promise<PortGrant | undefined> {
    return await this.#check("session", id, { capsuleId: capsule, port: 0 }, signal);
  }

  async link(id: string, target: PortTarget, signal: AbortSignal): Promise<PortGrant | undefined> {
    return await this.#check("link", id, target, signal);
  }

  publicPort({ capsuleId, port }: PortTarget): PortGrant {
    const grant = this.#nextPublic--;
    this.#link.tell({ type: "public", grant, capsule: capsuleId, port });
    return this.#add(grant);
  }

  async require(address: string, headers: Parameters<CredentialAttempts["require"]>[1]): Promise<void> {
    await this.#link.ask({ type: "attempt", address, headers }, ASK_MS);
  }

  async failed(address: string): Promise<void> {
    await this.#link.ask({ type: "attempt_failed", address }, ASK_MS);
  }

  /** The connection counts for the owner of a port from now on. @throws WrennError `connections_full`. */
  async authenticated(connection: number, owner: string, grant: PortGrant): Promise<void> {
    if (!(grant instanceof LinkedGrant)) throw new Error("a grant is not one of the server's");
    await this.#link.ask({ type: "authenticated", connection, owner, grant: grant.number }, ASK_MS);
  }

  ended(grant: number, error: unknown): void {
    const known = this.#granted.get(grant);
    this.#granted.delete(grant);
    known?.end(errorFromWire(error));
  }

  /** Gives back what was granted and is not used, such as a second credential of a request. */
  releaseUnused(): void {
    const now = this.#clock.monotonic();
    for (const { number, wasHeld, grantedAt } of this.#granted.values())
      if (!wasHeld && now - grantedAt >= UNUSED_MS) this.#release(number);
  }

  async #check(
    kind: string,
    credential: string,
    { capsuleId: capsule, port }: PortTarget,
    signal: AbortSignal,
  ): Promise<PortGrant | undefined> {
    const question = { type: "check", kind, credential, capsule, port } as const;
    const grant = await this.#link.ask(question, ASK_MS, signal);
    return typeof grant === "number" ? this.#add(grant) : undefined;
  }

  #add(number: number): LinkedGrant {
    const grant = new LinkedGrant(number, this.#clock.monotonic(), () => this.#release(number));
    this.#granted.set(number, grant);
    return grant;
  }

  #release(number: number): void {
    if (this.#granted.delete(number)) this.#link.tell({ type: "release", grant: number });
  }
}
