import type { BuildRow } from "@wrenn/database";
import type { FastifyRequest } from "fastify";
import type { Static } from "typebox";
import type { RecordAudit } from "../audit/audit.ts";
import { buildJson } from "./build-json.ts";
import type { Build } from "./build-json.ts";

/** The answer to a request that has begun a build; the audit log has it, too. */
export async function begunBuild(
  request: FastifyRequest,
  row: BuildRow,
  { record, base }: { readonly record: RecordAudit; readonly base: string },
): Promise<Static<typeof Build>> {
  const answer = buildJson(row);
  await record(request, {
    resource: "build",
    resourceId: answer.id,
    action: "create",
    ...scopeOf(base),
    metadata: { name: answer.name },
  });
  return answer;
}

/** Where the audit log has what is done with builds of the platform. */
export function scopeOf(base: string): { readonly scope?: "admin" } {
  return base.startsWith("/v1/admin") ? { scope: "admin" } : {};
}
