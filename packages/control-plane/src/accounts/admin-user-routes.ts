import { formatId, parseId } from "@wrenn/core";
import { Type } from "typebox";
import { sessionOf } from "../http/app.ts";
import type { App } from "../http/app.ts";
import { NumberedQuery, pageInfoFields, pageSlice } from "../http/numbered-pages.ts";
import { timestamp } from "../http/timestamp.ts";
import { refusals } from "../http/schemas.ts";
import type { AdminUsers } from "./admin-users.ts";

const User = Type.Object({
  id: Type.String(),
  email: Type.String(),
  name: Type.String(),
  is_admin: Type.Boolean(),
  status: Type.String({ description: "inactive, active or disabled" }),
  created_at: Type.String(),
  teams_joined: Type.Integer({ description: "Without those that they own" }),
  teams_owned: Type.Integer(),
});
const UserParams = Type.Object({ id: Type.String() });
const tags = ["admin"];
const none = { 204: Type.Null(), ...refusals };

export interface AccountsAdminDeps {
  readonly adminUsers: AdminUsers;
}

/** People, for administrators of the platform (docs/reference/rest-api.md#administration). */
export function registerAccountsAdmin(app: App, { adminUsers }: AccountsAdminDeps): void {
  app.get(
    "/v1/admin/users",
    {
      schema: {
        summary: "Everybody who has an account, newest first",
        tags,
        querystring: NumberedQuery,
        response: { 200: Type.Object({ users: Type.Array(User), ...pageInfoFields }), ...refusals },
      },
    },
    async (request) => {
      const { offset, limit, pageInfo } = pageSlice(request.query);
      const { users, total } = await adminUsers.list(offset, limit);
      return {
        users: users.map((user) => ({
          id: formatId("user", user.id),
          email: user.email,
          name: user.name,
          is_admin: user.isAdmin,
          status: user.status,
          created_at: timestamp(user.createdAt),
          teams_joined: user.teamsJoined,
          teams_owned: user.teamsOwned,
        })),
        ...pageInfo(total),
      };
    },
  );

  app.put(
    "/v1/admin/users/:id/active",
    {
      config: { endsOwnAccess: true },
      schema: {
        summary: "Shut somebody out, or let them in",
        description:
          "Shut out: logins end, the keys that they made are deleted, and capsules of teams that they own are destroyed.",
        tags,
        params: UserParams,
        body: Type.Object({ active: Type.Boolean() }),
        response: none,
      },
    },
    async (request, reply) => {
      const id = parseId("user", request.params.id);
      if (request.body.active) await adminUsers.activate(sessionOf(request), id);
      else await adminUsers.deactivate(sessionOf(request), id);
      return await reply.status(204).send(null);
    },
  );

  app.put(
    "/v1/admin/users/:id/admin",
    {
      config: { endsOwnAccess: true },
      schema: {
        summary: "Make somebody an administrator of the platform, or no more",
        description: "400 for the last one.",
        tags,
        params: UserParams,
        body: Type.Object({ admin: Type.Boolean() }),
        response: none,
      },
    },
    async (request, reply) => {
      const id = parseId("user", request.params.id);
      if (request.body.admin) await adminUsers.grant(sessionOf(request), id);
      else await adminUsers.revoke(sessionOf(request), id);
      return await reply.status(204).send(null);
    },
  );
}
