import type { Ingress } from "@wrenn/database";
import type { LifetimeEnd, NetworkRules } from "@wrenn/protocol";

/** A capsule that is to be created, as its client describes it. */
export interface CreateRequest {
  readonly template: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  /** Default: that of the template. */
  readonly diskMib?: number;
  readonly timeoutSec: number;
  readonly maxLifetimeSec: number;
  readonly autoResume: boolean;
  readonly network?: NetworkRules;
  readonly onLifetimeEnd?: LifetimeEnd;
  readonly name?: string;
  readonly metadata?: Readonly<Record<string, string>>;
  readonly envs?: Readonly<Record<string, string>>;
  readonly user?: string;
  readonly cwd?: string;
  /** Default: its ports are private. */
  readonly ingress?: Ingress;
}

/** The same with all sizes. */
export type SizedRequest = CreateRequest & { readonly diskMib: number };
