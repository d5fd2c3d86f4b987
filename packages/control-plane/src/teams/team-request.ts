import { parseId, WrennError } from "@wrenn/core";
import type { LiveSession } from "@wrenn/database";
import type { FastifyRequest } from "fastify";
import { Type } from "typebox";
import { sessionOf } from "../http/app.ts";

export const TeamParams = Type.Object({ id: Type.String() });

/** The login of a request about a team that it acts in. @throws WrennError `session_required`, `other_team`. */
export function sessionInTeam(request: FastifyRequest, teamId: string): LiveSession {
  const session = sessionOf(request);
  if (parseId("team", teamId) !== session.teamId) throw new WrennError("other_team", {});
  return session;
}
