import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { BuildLab } from "./support/build-lab.ts";
import { reasonOf } from "./support/test-platform.ts";
import type { Answer } from "./support/test-platform.ts";

const lab = await BuildLab.open();
after(() => lab[Symbol.asyncDispose]());
const { platform, builder } = lab;
const PATH = "/v1/admin/builds";

const bootstrap = await platform.call("POST", "/v1/auth/bootstrap", {
  body: {
    token: platform.firstAdminToken,
    email: "root@example.org",
    password: "of the administrator",
    name: "Root",
  },
});
const token = String(bootstrap.body["token"]);

async function admin(method: string, path: string, body?: unknown, headers = {}): Promise<Answer> {
  return await platform.call(method, path, { token, headers, ...(body === undefined ? {} : { body }) });
}

async function ended(id: string): Promise<Answer["body"]> {
  let build: Answer["body"] = {};
  await eventually("the build ends", async () => {
    build = (await admin("GET", `${PATH}/${id}`)).body;
    return build["completed_at"] !== undefined;
  });
  return build;
}

test("a build of the platform makes a template that every team starts capsules from", async () => {
  const made = await admin("POST", PATH, { name: "everyones", recipe: ["RUN echo a"], skip_pre_post: true });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.equal((await ended(String(made.body["id"])))["status"], "success");
  const capsule = await lab.call("POST", "/v1/capsules", { template: "everyones" });
  assert.equal(capsule.status, 201, JSON.stringify(capsule.body));
  const { body } = await lab.call("GET", "/v1/snapshots");
  const listed = (body as unknown as Record<string, unknown>[]).find(({ name }) => name === "everyones");
  assert.deepEqual([listed?.["platform"], listed?.["public"]], [true, true]);
  const taken = await lab.call("POST", "/v1/builds", { name: "everyones", recipe: ["RUN true"] });
  assert.equal(reasonOf(taken), "template_name_reserved");
  await lab.call("DELETE", `/v1/capsules/${String(capsule.body["id"])}`);
});

test("builds of the platform start from its own templates only, and are not those of teams", async () => {
  await lab.reaches(await lab.start("ours", ["RUN true"]), "success");
  await lab.call("PATCH", "/v1/templates/ours", { public: true });
  const { slug } = await platform.database.db
    .selectFrom("templates")
    .innerJoin("teams", "teams.id", "templates.team_id")
    .select("teams.slug")
    .where("templates.name", "=", "ours")
    .executeTakeFirstOrThrow();
  for (const base of ["ours", `${slug}/ours`]) {
    const refused = await admin("POST", PATH, { name: "a", recipe: ["RUN true"], base_template: base });
    assert.deepEqual([refused.status, reasonOf(refused)], [404, "template_not_found"]);
  }
  const based = await admin("POST", PATH, { name: "a", recipe: ["RUN true"], base_template: "everyones" });
  assert.equal((await ended(String(based.body["id"])))["status"], "success");
  const { body } = await admin("GET", PATH);
  assert.deepEqual(
    (body as unknown as Record<string, unknown>[]).map(({ name }) => name),
    ["a", "everyones"],
  );
  const id = String(based.body["id"]);
  assert.equal(reasonOf(await lab.call("GET", `/v1/builds/${id}`)), "build_not_found");
  assert.equal(reasonOf(await lab.call("GET", `${PATH}/${id}`)), "admin_required");
});

test("fields that the contract does not know are ignored in JSON and in forms, and refused when asked to", async () => {
  const config = { name: "lenient", recipe: ["RUN true"], cpu: 1 };
  const strict = { prefer: "handling=strict" };
  const json = await admin("POST", PATH, config);
  assert.equal(json.status, 201, JSON.stringify(json.body));
  assert.equal(reasonOf(await admin("POST", PATH, config, strict)), "invalid_field");
  const send = async (headers: Readonly<Record<string, string>>) => {
    const form = new FormData();
    form.append("config", JSON.stringify(config));
    form.append("note", "ignored");
    form.append("archive", new Blob(["bytes"]), "a.tar");
    return await fetch(platform.url + PATH, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, ...headers },
      body: form,
    });
  };
  assert.equal((await send({})).status, 201);
  assert.equal((await send(strict)).status, 400);
  await eventually("both have ended", () => builder.running.size === 0);
});

test("builds of the platform are cancelled by administrators, and stand in the log of the platform", async () => {
  const made = await admin("POST", PATH, { name: "endless", recipe: ["RUN sleep 600"] });
  const id = String(made.body["id"]);
  assert.equal((await lab.call("POST", `${PATH}/${id}/cancel`)).status, 403);
  assert.equal((await admin("POST", `${PATH}/${id}/cancel`)).status, 204);
  const again = await admin("POST", `${PATH}/${id}/cancel`);
  assert.deepEqual([again.status, reasonOf(again)], [400, "build_ended"]);
  const { body } = await admin("GET", "/v1/admin/audit-logs?resource_type=build&limit=2");
  assert.deepEqual(
    (body["items"] as Record<string, unknown>[]).map((one) => [
      one["action"],
      one["scope"],
      one["status"],
      one["resource_id"],
    ]),
    [
      ["cancel", "admin", "warning", id],
      ["create", "admin", "success", id],
    ],
  );
  const lines = await admin("GET", `${PATH}/${id}/logs`);
  assert.deepEqual([lines.status, lines.body["status"]], [200, "cancelled"]);
});
