import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { eventually } from "@wrenn/core/testing";
import type { TestServer } from "./test-server.ts";

interface Person {
  readonly email: string;
  readonly password: string;
  readonly name: string;
}

/**
 * Signs a person up on a server without a mail server: the first administrator, who is created for it, invites the person and passes
 * the link on. It works once for a server.
 *
 * @returns an access token, and the cookie of the log-in as a Set-Cookie field.
 */
export async function signUp(
  server: TestServer,
  person: Person,
): Promise<{ readonly token: string; readonly cookie: string }> {
  const token = (await readFile(join(server.dataDirectory, "first-admin-token"), "utf8")).trim();
  const root = { token, email: "root@example.org", password: "correct horse", name: "Root" };
  const made = await server.call<{ token: string; team_id: string }>("POST", "/v1/auth/bootstrap", root);
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const { token: admin, team_id: team } = made.body;
  const asAdmin = async (method: string, path: string, body?: object): Promise<Response> =>
    await fetch(new URL(path, server.url), {
      method,
      headers: { authorization: `Bearer ${admin}`, "content-type": "application/json" },
      ...(body && { body: JSON.stringify(body) }),
    });
  const invited = await asAdmin("POST", `/v1/teams/${team}/invitations`, { email: person.email });
  assert.equal(invited.status, 204);
  assert.equal((await server.call("POST", "/v1/auth/signup", person)).status, 201);
  // The mail is written when the answer has been sent.
  const activation = await eventually("the mail with the link", async () => {
    const mails = (await (await asAdmin("GET", "/v1/admin/mails")).json()) as {
      readonly to: string;
      readonly link?: string;
    }[];
    const links = mails.flatMap(({ to, link = "" }) => (to === person.email ? [new URL(link)] : []));
    return links.map((link) => link.searchParams.get("token")).find((one) => one !== null);
  });
  const active = await server.call<{ token: string }>("POST", "/v1/auth/activate", {
    token: activation,
    password: person.password,
  });
  assert.equal(active.status, 200, JSON.stringify(active.body));
  return { token: active.body.token, cookie: active.headers.getSetCookie()[0] ?? "" };
}
