import assert from "node:assert/strict";
import { after, test } from "node:test";
import { parseId } from "@wrenn/core";
import { TestPlatform } from "./support/test-platform.ts";

const platform = await TestPlatform.start();
after(() => platform[Symbol.asyncDispose]());

test("tags are a set, a preview names paused capsules too, and neither is for people who may not see the host", async () => {
  const { token, userId } = await platform.person("admin");
  await platform.database.db
    .updateTable("users")
    .set({ is_admin: true })
    .where("id", "=", parseId("user", userId))
    .execute();
  const outsider = await platform.person("outsider");
  const listed = await platform.call("GET", "/v1/hosts", { token });
  const [host] = listed.body as unknown as { id: string; status: string }[];
  assert.equal(host?.status, "online");
  const path = `/v1/hosts/${host.id}`;

  for (const tag of ["gpu", "zone:a", "gpu"])
    assert.equal((await platform.call("POST", `${path}/tags`, { token, body: { tag } })).status, 204);
  assert.deepEqual((await platform.call("GET", `${path}/tags`, { token })).body, ["gpu", "zone:a"]);
  for (let repeated = 0; repeated < 2; repeated++)
    assert.equal((await platform.call("DELETE", `${path}/tags/gpu`, { token })).status, 204);
  assert.deepEqual((await platform.call("GET", `${path}/tags`, { token })).body, ["zone:a"]);
  for (const tag of ["", " ", "x".repeat(65), 7])
    assert.equal(
      (await platform.call("POST", `${path}/tags`, { token, body: { tag } })).status,
      400,
      String(tag),
    );

  const ids: string[] = [];
  for (let made = 0; made < 3; made++) {
    const { body } = await platform.call("POST", "/v1/capsules", { key: platform.apiKey, body: {} });
    ids.push(String(body["id"]));
  }
  const [running, paused, ended] = ids;
  await platform.call("POST", `/v1/capsules/${paused}/pause`, { key: platform.apiKey });
  await platform.call("DELETE", `/v1/capsules/${ended}`, { key: platform.apiKey });
  const preview = await platform.call("GET", `${path}/delete-preview`, { token });
  assert.deepEqual(new Set(preview.body["sandbox_ids"] as string[]), new Set([running, paused]));
  assert.equal((preview.body["host"] as { id: string }).id, host.id);

  for (const hidden of [path, `${path}/tags`, `${path}/delete-preview`])
    assert.equal((await platform.call("GET", hidden, { token: outsider.token })).status, 404, hidden);
});
