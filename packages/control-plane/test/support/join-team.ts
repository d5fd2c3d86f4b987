import assert from "node:assert/strict";
import type { Answer, Person, TestPlatform } from "./test-platform.ts";

/** A JSON array that a request was answered with. */
export function listOf(answer: Answer): readonly Record<string, unknown>[] {
  assert.ok(Array.isArray(answer.body), JSON.stringify(answer.body));
  return answer.body as readonly Record<string, unknown>[];
}

/** Lets somebody join a team, and returns their token in it. */
export async function joinTeam(
  platform: TestPlatform,
  owner: Person,
  guest: Person,
  role: "admin" | "member",
): Promise<string> {
  const body = { email: guest.email, role };
  const path = `/v1/teams/${owner.teamId}/invitations`;
  assert.equal((await platform.call("POST", path, { token: owner.token, body })).status, 204);
  const invitations = listOf(await platform.call("GET", "/v1/invitations", { token: guest.token }));
  const invitation = invitations.find((one) => one["team_id"] === owner.teamId);
  const accept = `/v1/invitations/${String(invitation?.["id"])}/accept`;
  assert.equal((await platform.call("POST", accept, { token: guest.token })).status, 204);
  const switched = await platform.call("POST", "/v1/auth/switch-team", {
    token: guest.token,
    body: { team_id: owner.teamId },
  });
  assert.equal(switched.status, 200, JSON.stringify(switched.body));
  return String(switched.body["token"]);
}
