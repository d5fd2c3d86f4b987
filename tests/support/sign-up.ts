import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { TestServer } from "./test-server.ts";

interface Person {
  readonly email: string;
  readonly password: string;
  readonly name: string;
}

/**
 * Signs a person up on a server without a mail server, where an administrator passes the link on; that administrator is created
 * for it, so it works once for a server.
 *
 * @returns an access token, and the cookie of the log-in as a Set-Cookie field.
 */
export async function signUp(
  server: TestServer,
  person: Person,
): Promise<{ readonly token: string; readonly cookie: string }> {
  // Before there is an administrator, everyone may sign up.
  assert.equal((await server.call("POST", "/v1/auth/signup", person)).status, 201);
  const token = (await readFile(join(server.dataDirectory, "first-admin-token"), "utf8")).trim();
  const root = { token, email: "root@example.org", password: "correct horse", name: "Root" };
  const admin = await server.call<{ token: string }>("POST", "/v1/auth/bootstrap", root);
  assert.equal(admin.status, 201, JSON.stringify(admin.body));
  const answer = await fetch(new URL("/v1/admin/mails", server.url), {
    headers: { authorization: `Bearer ${admin.body.token}` },
  });
  const mails = (await answer.json()) as { readonly to: string; readonly link?: string }[];
  const link = mails.find(({ to }) => to === person.email)?.link ?? assert.fail(JSON.stringify(mails));
  const active = await server.call<{ token: string }>("POST", "/v1/auth/activate", {
    token: new URL(link).searchParams.get("token"),
    password: person.password,
  });
  assert.equal(active.status, 200, JSON.stringify(active.body));
  return { token: active.body.token, cookie: active.headers.getSetCookie()[0] ?? "" };
}
