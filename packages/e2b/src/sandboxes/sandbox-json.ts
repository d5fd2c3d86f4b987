import { endOfRun, untaggedName } from "@wrenn/control-plane";
import type { CapsuleRow } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import type { SandboxTokens } from "../access/sandbox-tokens.ts";
import { ENVD_VERSION } from "../envd-version.ts";
import { networkJson } from "../network/network-fields.ts";
import { sandboxIdOf } from "../sandbox-id.ts";

/** Deprecated: every client takes it, and none uses it. */
const CLIENT_ID = "wrenn";
/** What a sandbox without an end is said to end at. */
const NEVER = "9999-12-31T23:59:59.000Z";

const OptionalText = Type.Union([Type.String(), Type.Null()]);

/** The answer to create, connect, resume, and each sandbox of a fork. */
export const Started = Type.Object({
  sandboxID: Type.String(),
  templateID: Type.String(),
  clientID: Type.String(),
  alias: Type.Optional(Type.String()),
  envdVersion: Type.String(),
  envdAccessToken: Type.Optional(Type.String()),
  trafficAccessToken: Type.Optional(OptionalText),
  domain: OptionalText,
});

/** A sandbox in a list. */
export const Listed = Type.Object({
  sandboxID: Type.String(),
  templateID: Type.String(),
  clientID: Type.String(),
  alias: Type.Optional(Type.String()),
  startedAt: Type.String(),
  endAt: Type.String(),
  cpuCount: Type.Integer(),
  memoryMB: Type.Integer(),
  diskSizeMB: Type.Integer(),
  metadata: Type.Record(Type.String(), Type.String()),
  state: Type.Union([Type.Literal("running"), Type.Literal("paused")]),
  envdVersion: Type.String(),
});

/** One sandbox. */
export const Detailed = Type.Object({
  ...Listed.properties,
  envdAccessToken: Type.String(),
  trafficAccessToken: Type.Optional(Type.String()),
  allowInternetAccess: Type.Boolean(),
  domain: OptionalText,
  network: Type.Object({
    allowOut: Type.Array(Type.String()),
    denyOut: Type.Array(Type.String()),
    allowPublicTraffic: Type.Boolean(),
    maskRequestHost: Type.Optional(Type.String()),
    httpsPorts: Type.Optional(Type.Array(Type.Integer())),
  }),
  lifecycle: Type.Object({
    onTimeout: Type.Union([Type.Literal("kill"), Type.Literal("pause")]),
    autoResume: Type.Boolean(),
  }),
});

export type SandboxState = Static<typeof Listed>["state"];

/** Writes capsules as the sandboxes that clients of this API know. */
export class SandboxJson {
  readonly #tokens: SandboxTokens;
  readonly #domain: () => string | undefined;

  /** @param domain - by which clients reach ports of sandboxes over TLS, with its port; undefined where they cannot. */
  constructor(tokens: SandboxTokens, domain: () => string | undefined) {
    this.#tokens = tokens;
    this.#domain = domain;
  }

  started(row: CapsuleRow): Static<typeof Started> {
    const { alias, templateID } = templateOf(row);
    return {
      sandboxID: sandboxIdOf(row.id),
      templateID,
      clientID: CLIENT_ID,
      alias,
      envdVersion: ENVD_VERSION,
      envdAccessToken: this.#tokens.envd(row.id),
      trafficAccessToken: row.ingress?.ports === "token" ? this.#tokens.traffic(row.id) : null,
      domain: this.#domain() ?? null,
    };
  }

  listed(row: CapsuleRow, state: SandboxState = stateOf(row)): Static<typeof Listed> {
    const { alias, templateID } = templateOf(row);
    return {
      sandboxID: sandboxIdOf(row.id),
      templateID,
      clientID: CLIENT_ID,
      alias,
      startedAt: row.created_at.toISOString(),
      endAt: endOf(row, state),
      cpuCount: row.vcpus,
      memoryMB: row.memory_mb,
      diskSizeMB: row.disk_mb,
      metadata: row.user_metadata,
      state,
      envdVersion: ENVD_VERSION,
    };
  }

  detailed(row: CapsuleRow, state: SandboxState): Static<typeof Detailed> {
    const { trafficAccessToken, domain } = this.started(row);
    return {
      ...this.listed(row, state),
      envdAccessToken: this.#tokens.envd(row.id),
      ...(typeof trafficAccessToken === "string" ? { trafficAccessToken } : {}),
      allowInternetAccess: row.network?.egress !== "deny",
      domain,
      network: networkJson(row.network, row.ingress),
      lifecycle: {
        onTimeout: row.on_lifetime_end === "destroy" ? "kill" : "pause",
        autoResume: row.auto_resume,
      },
    };
  }
}

/** A sandbox that is being made, or whose host does not answer at the moment, counts as running. */
export function stateOf({ status }: CapsuleRow): SandboxState {
  return status === "paused" || status === "hibernated" ? "paused" : "running";
}

function endOf(row: CapsuleRow, state: SandboxState): string {
  const end = state === "paused" ? (row.paused_since ?? row.last_updated) : endOfRun(row);
  return end?.toISOString() ?? NEVER;
}

/** Templates are known by their names here: id and alias are the same. */
function templateOf({ template }: CapsuleRow): { readonly templateID: string; readonly alias: string } {
  const id = untaggedName(template);
  return { templateID: id, alias: id };
}
