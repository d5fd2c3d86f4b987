import type { EdgeLimits } from "../edge-options.ts";
import type { ListenerLimits } from "../listener/listener-limits.ts";

/** What a port process is started with. */
export interface ProcessSettings {
  readonly domain: string;
  readonly publicUrl: string | undefined;
  readonly pathHost: string | undefined;
  /** Where clients reach the edge. */
  readonly origin: { readonly scheme: "http" | "https"; readonly port: number };
  /** In base64. */
  readonly linkKey: string;
  /** PEM. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly limits: Partial<EdgeLimits> | undefined;
  readonly listener: ListenerLimits;
  /** Capsules that take no connections until they are reset. */
  readonly draining: readonly string[];
}
