import type { HttpClient } from "../transport/http.ts";
import type { WireAnswer } from "../wire/api-types.ts";

/** What a server is and can do. */
export interface ServerInfo {
  readonly version: string;
  readonly apiVersions: readonly string[];
  /** The clock of the server. */
  readonly time: Date;
  readonly features: readonly string[];
  readonly limits: {
    readonly jsonBodyBytes: number;
    readonly messageBytes: number;
    /** Output that the answer of a command keeps of each stream. */
    readonly execOutputBytes: number;
    readonly execTimeoutMs: number;
    readonly accessTokenMs: number;
  };
  /** Where ports of capsules are: `{scheme}://{port of the capsule}-{capsule id}.{domain}:{port}/`. */
  readonly ports: { readonly scheme: "http" | "https"; readonly domain: string; readonly port: number };
}

/** How much of one kind of thing a team uses and may use. */
export interface QuotaItem {
  /** Can be more than `limit`: limits may fall. */
  readonly used: number;
  readonly limit: number;
  /** What helps at the limit. */
  readonly remedy: string;
}

/** What a team uses and may use. */
export interface Quota {
  readonly teamId: string;
  readonly capsules: QuotaItem;
  readonly vcpus: QuotaItem;
  readonly memoryMib: QuotaItem;
  readonly diskMib: QuotaItem;
  readonly templates: QuotaItem;
  readonly checkpoints: QuotaItem;
  /** Of the capsule that has most. */
  readonly checkpointsOfCapsule: QuotaItem;
  readonly builds: QuotaItem;
  readonly channels: QuotaItem;
  readonly apiKeys: QuotaItem;
}

/** What the servers of connections said; it holds while the server runs. */
const known = new WeakMap<HttpClient, ServerInfo>();

export async function readServerInfo(http: HttpClient, signal: AbortSignal | undefined): Promise<ServerInfo> {
  const wire = await http.json<WireAnswer<"GET /v1/info">>("GET", "/v1/info", { signal });
  const { limits } = wire;
  const info: ServerInfo = Object.freeze({
    version: wire.version,
    apiVersions: wire.api_versions,
    time: new Date(wire.time),
    features: wire.features,
    limits: Object.freeze({
      jsonBodyBytes: limits.json_body_bytes,
      messageBytes: limits.message_bytes,
      execOutputBytes: limits.exec_output_bytes,
      execTimeoutMs: limits.exec_timeout_sec * 1000,
      accessTokenMs: limits.access_token_sec * 1000,
    }),
    ports: Object.freeze(wire.ports),
  });
  known.set(http, info);
  return info;
}

/** As the server said first on this connection. */
export async function serverInfo(http: HttpClient, signal: AbortSignal | undefined): Promise<ServerInfo> {
  return known.get(http) ?? (await readServerInfo(http, signal));
}

export async function readQuota(http: HttpClient, signal: AbortSignal | undefined): Promise<Quota> {
  const wire = await http.json<WireAnswer<"GET /v1/quota">>("GET", "/v1/quota", { signal });
  return Object.freeze({
    teamId: wire.team_id,
    capsules: wire.capsules,
    vcpus: wire.vcpus,
    memoryMib: wire.memory_mb,
    diskMib: wire.disk_mb,
    templates: wire.snapshots,
    checkpoints: wire.checkpoints,
    checkpointsOfCapsule: wire.capsule_checkpoints,
    builds: wire.builds,
    channels: wire.channels,
    apiKeys: wire.api_keys,
  });
}
