import type { Duplex } from "node:stream";

/** Where a capsule is and who may use its ports, as the platform knows it now. */
export interface CapsuleRoute {
  /** Connections to capsules of one owner count together: the team. */
  readonly owner: string;
  /** State for people, such as `running` or `paused`. */
  readonly status: string;
  /** Address of the machine that the edge can reach; undefined unless the capsule runs. */
  readonly address: string | undefined;
  /**
   * Connects to a port of a capsule that this machine cannot reach itself; its address only names it then.
   *
   * @throws an error with the operating system's `code`.
   */
  readonly connect?: (
    port: number,
    options: { readonly halfOpen: boolean; readonly signal: AbortSignal },
  ) => Promise<Duplex>;
  /** Whether a request resumes the capsule while it is paused. */
  readonly autoResume: boolean;
  /** Ports that everyone may use; `all` where each of them may be used. */
  readonly publicPorts: readonly number[] | "all";
  /** Ports whose services speak TLS; their certificates are not checked, since nothing vouches for a guest. Default: none. */
  readonly tlsPorts?: readonly number[];
}

/** `private`: only with a credential or a signed link. */
export type PortAccess = "private" | "public";

/** Who may use a port of the capsule. */
export function accessOf({ publicPorts }: Pick<CapsuleRoute, "publicPorts">, port: number): PortAccess {
  return publicPorts === "all" || publicPorts.includes(port) ? "public" : "private";
}

/** What the edge asks the platform. */
export interface CapsuleRoutes {
  /** The capsule, or undefined when there is none of this id. */
  find(capsuleId: string, signal: AbortSignal): Promise<CapsuleRoute | undefined>;
  /** Resumes a capsule whose route has `autoResume`; resolves when it runs. */
  resume(capsuleId: string, signal: AbortSignal): Promise<void>;
}
