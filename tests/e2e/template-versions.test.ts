import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { signUp } from "../support/sign-up.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

let server: TestServer;
before(async () => {
  server = await startTestServer();
});
after(() => server.close());

interface Answer {
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
}

/** A request of a person. */
async function call(token: string, method: string, path: string, body?: object): Promise<Answer> {
  const response = await fetch(new URL(path, server.url), {
    method,
    headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
    ...(body && { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: (text === "" ? {} : JSON.parse(text)) as Answer["body"] };
}

test("each tag starts capsules from its version, for other teams too while the template is public", async (t) => {
  const source = await server.capsule(t, { memory_mb: 256 });
  const make = async (name: string, content: string): Promise<void> => {
    // The file system in memory is part of the version, like the disk.
    await server.shell(source, `echo ${content} | tee /root/file > /dev/shm/file`);
    const body = { sandbox_id: source, name };
    const made = await server.call<{ name: string }>("POST", "/v1/snapshots", body);
    assert.deepEqual([made.status, made.body.name], [201, "app"], JSON.stringify(made.body));
    const resumed = await server.call("POST", `/v1/capsules/${source}/resume`);
    assert.equal(resumed.status, 200);
  };
  await make("app", "one");
  await make("app:next", "two");
  const contentOf = async (id: string): Promise<string> =>
    (await server.shell(id, "cat /root/file /dev/shm/file")).stdout;
  const first = await server.capsule(t, { template: "app" });
  const second = await server.capsule(t, { template: "app:next" });
  assert.equal(await contentOf(first), "one\none\n");
  assert.equal(await contentOf(second), "two\ntwo\n");

  const moved = await server.call("PUT", "/v1/templates/app/tags/default", { version: 2 });
  assert.equal(moved.status, 204);
  const third = await server.capsule(t, { template: "app" });
  assert.equal(await contentOf(third), "two\ntwo\n");
  assert.equal(await contentOf(first), "one\none\n", "a capsule keeps its version");
  const inUse = await server.call<{ error: { reason: string; message: string } }>(
    "DELETE",
    "/v1/templates/app/versions/1",
  );
  assert.deepEqual([inUse.status, inUse.body.error.reason], [409, "template_in_use"]);
  assert.ok(inUse.body.error.message.includes(first));
  for (const id of [first, second, third]) await server.call("DELETE", `/v1/capsules/${id}`);
  assert.equal((await server.call("DELETE", "/v1/templates/app/versions/1")).status, 204);

  const stranger = { email: "stranger@example.org", password: "correct horse", name: "Stranger" };
  const { token } = await signUp(server, stranger);
  const published = await server.call("PATCH", "/v1/templates/app", { public: true });
  assert.equal(published.status, 200);
  const listed = await call(token, "GET", "/v1/templates?public=true");
  const [{ reference } = { reference: "" }] = listed.body as unknown as { readonly reference: string }[];
  assert.match(reference, /^[0-9a-f-]+\/app$/);
  const created = await call(token, "POST", "/v1/capsules", { template: `${reference}:next` });
  assert.equal(created.status, 201, JSON.stringify(created.body));
  const path = `/v1/capsules/${String(created.body["id"])}`;
  const read = async (): Promise<unknown> =>
    (await call(token, "POST", `${path}/exec`, { cmd: "cat", args: ["/root/file"] })).body["stdout"];
  assert.equal(await read(), "two\n");

  // Their capsule does not hold the template, and lives on without it.
  assert.equal((await server.call("DELETE", "/v1/snapshots/app")).status, 204);
  assert.equal((await call(token, "POST", "/v1/capsules", { template: reference })).status, 404);
  assert.equal((await call(token, "POST", `${path}/pause`)).status, 200);
  assert.equal((await call(token, "POST", `${path}/resume`)).status, 200);
  assert.equal(await read(), "two\n");
  assert.equal((await call(token, "DELETE", path)).status, 204);
});
