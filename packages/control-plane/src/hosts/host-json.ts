import { formatId } from "@wrenn/core";
import type { HostRow } from "@wrenn/database";
import { Type } from "typebox";
import type { Static } from "typebox";
import { timestamp } from "../http/timestamp.ts";

export const Host = Type.Object(
  {
    id: Type.String(),
    type: Type.String({ description: "regular: of the platform; byoc: of one team" }),
    team_id: Type.Optional(Type.String()),
    provider: Type.Optional(Type.String()),
    availability_zone: Type.Optional(Type.String()),
    arch: Type.Optional(Type.String()),
    cpu_cores: Type.Optional(Type.Integer()),
    memory_mb: Type.Optional(Type.Integer()),
    disk_gb: Type.Optional(Type.Integer()),
    address: Type.Optional(Type.String({ description: "Absent for a server's own machine" })),
    status: Type.String({ description: "pending, online, unreachable, draining or offline" }),
    last_heartbeat_at: Type.Optional(Type.String()),
    cert_expires_at: Type.Optional(Type.String()),
    created_by: Type.Optional(Type.String()),
    created_at: Type.String(),
    updated_at: Type.String(),
  },
  { description: "A machine that capsules run on" },
);

export function hostJson(host: HostRow): Static<typeof Host> {
  return {
    id: formatId("host", host.id),
    type: host.type,
    status: host.status,
    created_at: timestamp(host.created_at),
    updated_at: timestamp(host.updated_at),
    ...present({
      team_id: host.team_id === null ? null : formatId("team", host.team_id),
      provider: host.provider,
      availability_zone: host.availability_zone,
      arch: host.arch,
      cpu_cores: host.cpu_cores,
      memory_mb: host.memory_mb,
      disk_gb: host.disk_gb,
      address: host.address,
      last_heartbeat_at: host.last_heartbeat_at && timestamp(host.last_heartbeat_at),
      cert_expires_at: host.cert_expires_at && timestamp(host.cert_expires_at),
      created_by: host.created_by === null ? null : formatId("user", host.created_by),
    }),
  };
}

/** Without the fields that have no value: the contract leaves them out. */
function present<T extends object>(fields: T): { [K in keyof T]?: NonNullable<T[K]> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null)) as {
    [K in keyof T]?: NonNullable<T[K]>;
  };
}
