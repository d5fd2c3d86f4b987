import { defined, WrennError } from "@wrenn/core";

const MIB = 1 << 20;

/** How much may be under way at a time. */
export interface WorkLimit {
  readonly count: number;
  /** Memory of answers that are collected, or that clients have not taken; of a session also what its client has sent ahead. */
  readonly bytes: number;
}

/** The same for what a capsule, a team and the whole server have under way. */
export interface WorkLimits {
  readonly capsule: WorkLimit;
  readonly team: WorkLimit;
  readonly server: WorkLimit;
}

/** How much may be under way, without the memory of the answers. */
export type WorkCounts = Readonly<Record<keyof WorkLimits, number>>;

/** Limits with other counts. */
export function withCounts(limits: WorkLimits, counts: WorkCounts | undefined): WorkLimits {
  const { capsule, team, server } = counts ?? {};
  return {
    capsule: { ...limits.capsule, ...defined({ count: capsule }) },
    team: { ...limits.team, ...defined({ count: team }) },
    server: { ...limits.server, ...defined({ count: server }) },
  };
}

/** Limits with another count for a team. */
export function withTeamCount(limits: WorkLimits, team: number | undefined): WorkLimits {
  return { ...limits, team: { ...limits.team, ...defined({ count: team }) } };
}

/** Commands, file calls and transfers. */
export const callLimits: WorkLimits = {
  capsule: { count: 512, bytes: 64 * MIB },
  team: { count: 4096, bytes: 256 * MIB },
  server: { count: 16_384, bytes: 1024 * MIB },
};

/** Requests that the database answers; memory of answers is not counted. */
export const requestLimits: WorkLimits = {
  capsule: { count: Infinity, bytes: Infinity },
  team: { count: 512, bytes: Infinity },
  server: { count: 16_384, bytes: Infinity },
};

/** Sessions over WebSockets. */
export const sessionLimits: WorkLimits = {
  // Room for what one session reads ahead.
  capsule: { count: 256, bytes: 80 * MIB },
  team: { count: 1024, bytes: 256 * MIB },
  server: { count: 8192, bytes: 1024 * MIB },
};

interface Used {
  readonly scope: keyof WorkLimits;
  readonly key: string;
  count: number;
  bytes: number;
}

/** Work on capsules that is under way: a client that begins it and takes no answer costs others nothing. */
export class PendingWork {
  readonly #limits: WorkLimits;
  readonly #used = new Map<string, Used>();

  constructor(limits: WorkLimits) {
    this.#limits = limits;
  }

  /** How many pieces of work are under way. */
  get count(): number {
    return this.#used.get("server ")?.count ?? 0;
  }

  /**
   * Begins a piece of work of a capsule, or of a team, which counts until it is disposed of. The id need not be known to be of a capsule
   * of the team: each team counts on its own.
   *
   * @throws WrennError `too_much_under_way`.
   */
  begin(teamId: string, capsuleId?: string): Work {
    const scopes = [
      ...(capsuleId === undefined ? [] : [this.#scope("capsule", `${teamId} ${capsuleId}`)]),
      this.#scope("team", teamId),
      this.#scope("server", ""),
    ];
    for (const { scope, count } of scopes) {
      const limit = this.#limits[scope].count;
      if (count >= limit) throw new WrennError("too_much_under_way", { limit, scope });
    }
    for (const used of scopes) {
      used.count++;
      this.#used.set(`${used.scope} ${used.key}`, used);
    }
    return new Work(this, scopes);
  }

  /** For {@link Work}: whether `bytes` more fit. */
  fits(scopes: readonly Used[], bytes: number): boolean {
    return scopes.every((used) => used.bytes + bytes <= this.#limits[used.scope].bytes);
  }

  /** For {@link Work}. */
  end(scopes: readonly Used[]): void {
    for (const used of scopes) if (--used.count === 0) this.#used.delete(`${used.scope} ${used.key}`);
  }

  #scope(scope: keyof WorkLimits, key: string): Used {
    return this.#used.get(`${scope} ${key}`) ?? { scope, key, count: 0, bytes: 0 };
  }
}

/** One piece of work, and the memory of its answer. */
export class Work implements Disposable {
  readonly #all: PendingWork;
  readonly #scopes: readonly Used[];
  #bytes = 0;
  #ended = false;

  constructor(all: PendingWork, scopes: readonly Used[]) {
    this.#all = all;
    this.#scopes = scopes;
  }

  /** Whether the answer may have `bytes`, which it does from now on. */
  reserve(bytes: number): boolean {
    if (this.#ended || !this.#all.fits(this.#scopes, bytes - this.#bytes)) return false;
    this.#set(bytes);
    return true;
  }

  /** The same for an answer that is there, in another form than the one that was reserved: it is never refused. */
  replace(bytes: number): boolean {
    if (this.#bytes === 0) return this.reserve(bytes);
    this.#set(bytes);
    return true;
  }

  /** Counts memory that is in use in any case; whether everything is within the limits. */
  account(bytes: number): boolean {
    this.#set(bytes);
    return this.#all.fits(this.#scopes, 0);
  }

  [Symbol.dispose](): void {
    if (this.#ended) return;
    this.#set(0);
    this.#ended = true;
    this.#all.end(this.#scopes);
  }

  #set(bytes: number): void {
    if (this.#ended) return;
    for (const used of this.#scopes) used.bytes += bytes - this.#bytes;
    this.#bytes = bytes;
  }
}
