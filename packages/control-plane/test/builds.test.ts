import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { BuildLab } from "./support/build-lab.ts";
import { reasonOf } from "./support/test-platform.ts";
import { webSocketCall } from "./support/web-socket-call.ts";

const lab = await BuildLab.open();
after(() => lab[Symbol.asyncDispose]());
const { platform, builder, host } = lab;
const { db } = platform.database;

test("a build makes a version of its template, which starts capsules, and keeps its steps and its output", async () => {
  const id = await lab.start("tools:v1", ["RUN echo out; echo err >&2", "ENV A=b"]);
  const build = await lab.reaches(id, "success");
  assert.deepEqual(
    ["name", "base_template", "current_step", "total_steps", "default_user", "error"].map(
      (field) => build[field],
    ),
    ["tools:v1", "minimal", 2, 2, "wrenn-user", undefined],
  );
  assert.deepEqual(
    (build["logs"] as Record<string, unknown>[]).map((one) => ({ ...one, elapsed_ms: 0 })),
    [
      {
        step: 1,
        phase: "recipe",
        cmd: "RUN echo out; echo err >&2",
        stdout: "out\n",
        stderr: "err\n",
        exit: 0,
        ok: true,
        cached: false,
        elapsed_ms: 0,
      },
      {
        step: 2,
        phase: "recipe",
        cmd: "ENV A=b",
        stdout: "",
        stderr: "",
        ok: true,
        cached: false,
        elapsed_ms: 0,
      },
    ],
  );
  assert.deepEqual(await lab.lines(id), [
    "system RUN echo out; echo err >&2",
    "stdout out",
    "stderr err",
    "system done",
    "system ENV A=b",
    "system done",
    "system freezing",
    "system done",
    "system testing",
    "system done",
  ]);
  const { body } = await lab.call("GET", `/v1/builds/${id}/logs`);
  const ends = (body["lines"] as Record<string, unknown>[]).map(({ step, ended }) => [
    step,
    ended !== undefined,
  ]);
  assert.deepEqual(
    ends.filter(([, isEnd]) => isEnd).map(([step]) => step),
    [1, 2, 0, 0],
  );
  assert.deepEqual(Object.keys(build["durations"] as object).sort(), ["freeze_ms", "smoke_test_ms"]);
  const made = await lab.call("POST", "/v1/capsules", { template: "tools:v1" });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  assert.deepEqual([host.started.at(-1)], [...builder.files]);
  await lab.call("DELETE", `/v1/capsules/${String(made.body["id"])}`);
});

test("the steps before and after a recipe are there unless they are left out", async () => {
  const id = await lab.start("whole", ["RUN echo a"], { skip_pre_post: false });
  const build = await lab.reaches(id, "success");
  assert.deepEqual([build["total_steps"], build["current_step"]], [8, 8]);
  const phases = (build["logs"] as { readonly phase: string }[]).map(({ phase }) => phase);
  assert.deepEqual([...new Set(phases)], ["pre-build", "recipe", "post-build"]);
});

test("a step that fails ends the build with its number and its output, and there is no template", async () => {
  const id = await lab.start("broken", ["RUN echo begun; exit 7", "RUN echo never"]);
  const build = await lab.reaches(id, "failed");
  assert.deepEqual([build["reason"], build["error"]], ["build_failed", "recipe step 1 failed: exit code 7"]);
  assert.deepEqual(await lab.lines(id), ["system RUN echo begun; exit 7", "stdout begun", "system failed"]);
  const [step] = build["logs"] as { readonly exit: number; readonly ok: boolean }[];
  assert.deepEqual([step?.exit, step?.ok], [7, false]);
  assert.equal(reasonOf(await lab.call("GET", "/v1/templates/broken")), "template_not_found");
});

test("a name that is built again moves its tag to the new version, and the old files go", async () => {
  const versionsOf = async () => {
    const { body } = await lab.call("GET", "/v1/templates/again");
    return (body["versions"] as { readonly version: number }[]).map(({ version }) => version);
  };
  await lab.reaches(await lab.start("again", ["RUN echo a"]), "success");
  assert.deepEqual(await versionsOf(), [1]);
  const { host_key: key } = await db
    .selectFrom("templates")
    .select("host_key")
    .where("name", "=", "again")
    .executeTakeFirstOrThrow();
  await lab.reaches(await lab.start("again", ["RUN exit 1"]), "failed");
  assert.deepEqual(await versionsOf(), [1], "a build that fails changes nothing");
  await lab.reaches(await lab.start("again", ["RUN echo b"]), "success");
  assert.deepEqual(await versionsOf(), [2]);
  const discarded = await db.selectFrom("discarded_templates").select("host_key").execute();
  assert.ok(discarded.some((row) => row.host_key === key));
});

test("a cancelled build ends at once, whether it waits or runs, and nothing is made of it", async () => {
  // Both workers are busy, so that the third one waits.
  const [first, second, third] = [
    await lab.start("one", ["RUN echo a; sleep 600"]),
    await lab.start("two", ["RUN echo a; sleep 600"]),
    await lab.start("three", ["RUN echo a; sleep 600"]),
  ];
  await lab.reaches(first, "running");
  await lab.reaches(second, "running");
  assert.equal((await lab.get(third))["status"], "pending");
  for (const id of [third, first]) {
    assert.equal((await lab.call("POST", `/v1/builds/${id}/cancel`)).status, 204);
    assert.equal((await lab.get(id))["status"], "cancelled");
    const again = await lab.call("POST", `/v1/builds/${id}/cancel`);
    assert.deepEqual([again.status, reasonOf(again)], [400, "build_ended"]);
    assert.match(JSON.stringify(again.body), /already cancelled/);
  }
  await eventually("the builder has ended it", () => !builder.running.has(first));
  assert.ok(builder.running.has(second));
  builder.release();
  await lab.reaches(second, "success");
  assert.equal(reasonOf(await lab.call("GET", "/v1/templates/one")), "template_not_found");
  assert.equal(reasonOf(await lab.call("POST", `/v1/builds/${second}/cancel`)), "build_ended");
});

test("a build that is cancelled while its template is stored makes none", async () => {
  const stored = Promise.withResolvers<void>();
  const goesOn = Promise.withResolvers<void>();
  builder.beforeResult = async () => {
    stored.resolve();
    await goesOn.promise;
  };
  const id = await lab.start("late", ["RUN echo a"]);
  await stored.promise;
  assert.equal((await lab.call("POST", `/v1/builds/${id}/cancel`)).status, 204);
  builder.beforeResult = async () => undefined;
  goesOn.resolve();
  await eventually("the builder has ended it", () => builder.running.size === 0);
  assert.equal((await lab.get(id))["status"], "cancelled");
  assert.equal(reasonOf(await lab.call("GET", "/v1/templates/late")), "template_not_found");
});

test("names, bases and recipes that cannot be are refused, and nothing is stored", async () => {
  const { rows: before } = { rows: await db.selectFrom("builds").select("id").execute() };
  const refused: readonly (readonly [object, number, string])[] = [
    [{}, 400, "invalid_field"],
    [{ name: "a", recipe: [] }, 400, "invalid_field"],
    [{ name: "a/b", recipe: ["RUN true"] }, 400, "invalid_field"],
    [{ name: "a:", recipe: ["RUN true"] }, 400, "invalid_field"],
    [{ name: "a", recipe: ["RUN \0"] }, 400, "invalid_field"],
    [{ name: "a", recipe: Array.from({ length: 201 }, () => "RUN true") }, 400, "invalid_field"],
    [{ name: "a", recipe: ["RUN true", "FROM b"] }, 400, "recipe_invalid"],
    [{ name: "a", recipe: ["COPY a b"] }, 400, "recipe_invalid"],
    [{ name: "a", recipe: ["RUN true"], memory_mb: 1 }, 400, "invalid_field"],
    [{ name: "a", recipe: ["RUN true"], unknown: 1 }, 400, "invalid_field"],
    [{ name: "minimal", recipe: ["RUN true"] }, 409, "template_name_reserved"],
    [{ name: "a", recipe: ["RUN true"], base_template: "nowhere" }, 404, "template_not_found"],
    [{ name: "a", recipe: ["RUN true"], base_template: "tools:none" }, 404, "template_tag_not_found"],
  ];
  for (const [body, status, reason] of refused) {
    const answer = await lab.call("POST", "/v1/builds", body);
    assert.deepEqual([answer.status, reasonOf(answer)], [status, reason], JSON.stringify(body));
  }
  assert.equal((await db.selectFrom("builds").select("id").execute()).length, before.length);
  const sizes = await lab.call("POST", "/v1/builds", {
    name: "sizes",
    recipe: ["RUN echo a"],
    vcpus: 0,
    memory_mb: -1,
  });
  assert.deepEqual([sizes.body["vcpus"], sizes.body["memory_mb"]], [1, 512]);
  await lab.reaches(String(sizes.body["id"]), "success");
});

test("a team has a bounded number of builds under way", async () => {
  await db.updateTable("teams").set({ max_builds: 2 }).execute();
  const ids = [await lab.start("q1", ["RUN sleep 600"]), await lab.start("q2", ["RUN sleep 600"])];
  const over = await lab.call("POST", "/v1/builds", { name: "q3", recipe: ["RUN true"] });
  assert.deepEqual([over.status, reasonOf(over)], [403, "quota_exceeded"]);
  assert.match(JSON.stringify(over.body), /builds under way/);
  for (const id of ids) await lab.call("POST", `/v1/builds/${id}/cancel`);
  await lab.reaches(await lab.start("q3", ["RUN true"]), "success");
  await db.updateTable("teams").set({ max_builds: 5 }).execute();
});

test("a build whose template exceeds the quota in the end fails with that, and its files go", async () => {
  builder.sizeBytes = 2 ** 40;
  const id = await lab.start("huge", ["RUN echo a"]);
  const build = await lab.reaches(id, "failed");
  builder.sizeBytes = 1000;
  assert.equal(build["reason"], "quota_exceeded");
  assert.equal(reasonOf(await lab.call("GET", "/v1/templates/huge")), "template_not_found");
  await eventually("the host removes them", () => host.removed.some((key) => key.includes(id)));
});

test("output is bounded by lines, by their length and in all; what is not kept is counted", async () => {
  const id = await lab.start("loud", [`RUN echo ${"y".repeat(8000)}`, "RUN flood 25000", "RUN echo end"]);
  const build = await lab.reaches(id, "success");
  const lines = await lab.lines(id);
  assert.equal(lines.length, 20_000);
  // 25,005 of the steps, 3 that end them, and 4 of what is done behind them.
  assert.equal(lines.length + Number(build["dropped_lines"]), 25_012);
  const long = lines.find((line) => line.startsWith("stdout y")) ?? "";
  assert.ok(long.length < 4200 && long.endsWith("… (cut)"));
  assert.deepEqual(lines.slice(-7, -4), ["system RUN echo end", "stdout end", "system done"]);
  assert.ok(JSON.stringify(build).length < 3 << 20);
});

test("builds of others are like those that do not exist, and lists come page by page", async () => {
  const other = await platform.person("other");
  const id = await lab.start("mine", ["RUN echo a"]);
  await lab.reaches(id, "success");
  for (const [method, path] of [
    ["GET", `/v1/builds/${id}`],
    ["GET", `/v1/builds/${id}/logs`],
    ["POST", `/v1/builds/${id}/cancel`],
  ] as const) {
    const answer = await platform.call(method, path, { token: other.token });
    assert.deepEqual([answer.status, reasonOf(answer)], [404, "build_not_found"]);
  }
  assert.equal(reasonOf(await lab.call("GET", "/v1/builds/cl-none")), "invalid_id");
  assert.deepEqual((await platform.call("GET", "/v1/builds", { token: other.token })).body, []);
  const whole = (await lab.call("GET", "/v1/builds")).body as unknown as Record<string, unknown>[];
  assert.equal(whole[0]?.["id"], id);
  assert.ok(whole.every(({ logs }) => (logs as unknown[]).length === 0));
  const first = await lab.call("GET", "/v1/builds?limit=2");
  const next = await lab.call("GET", `/v1/builds?limit=2&cursor=${first.headers.get("x-next-cursor")}`);
  const ids = [first, next].flatMap(({ body }) => body as unknown as Record<string, unknown>[]);
  assert.deepEqual(
    ids.map((one) => one["id"]),
    whole.slice(0, 4).map((one) => one["id"]),
  );
});

test("of builds that have ended a bounded number is kept", async () => {
  const team = await db.selectFrom("builds").select("team_id").executeTakeFirstOrThrow();
  const rows = Array.from({ length: 150 }, () => ({
    id: crypto.randomUUID(),
    team_id: team.team_id,
    name: "old",
    tag: "default",
    base_template: "minimal",
    recipe: "[]",
    vcpus: 1,
    memory_mb: 512,
    total_steps: 0,
    created_at: new Date(0),
  }));
  await db.insertInto("builds").values(rows).execute();
  await db
    .updateTable("builds")
    .set({ status: "failed", completed_at: new Date(0) })
    .where("name", "=", "old")
    .execute();
  await lab.reaches(await lab.start("newest", ["RUN true"]), "success");
  const list = (await lab.call("GET", "/v1/builds")).body as unknown as unknown[];
  assert.equal(list.length, 101);
});

test("who started and cancelled a build stands in the audit log, and each of its states is an event", async () => {
  const id = await lab.start("logged", ["RUN sleep 600"]);
  await lab.reaches(id, "running");
  await lab.call("POST", `/v1/builds/${id}/cancel`);
  const { body } = await lab.call("GET", "/v1/audit-logs?resource_type=build&limit=2");
  assert.deepEqual(
    (body["items"] as Record<string, unknown>[]).map(({ action, resource_id, metadata }) => [
      action,
      resource_id,
      metadata,
    ]),
    [
      ["cancel", id, { name: "logged" }],
      ["create", id, { name: "logged" }],
    ],
  );
  const events = await db
    .selectFrom("events")
    .selectAll()
    .where("resource_type", "=", "build")
    .orderBy("id")
    .execute();
  assert.deepEqual(
    events.slice(-3).map(({ type }) => type),
    ["build.pending", "build.running", "build.cancelled"],
  );
  assert.equal(events.at(-1)?.actor.type, "user");
});

test("a session follows the log from any line to the end of the build", async () => {
  const id = await lab.start("followed", ["RUN echo one; echo two; sleep 600; echo three"]);
  await lab.reaches(id, "running");
  const path = `/v1/builds/${id}/logs`;
  const headers = { authorization: `Bearer ${lab.token}` };
  const following = webSocketCall(platform.url, `${path}?from=2`, { headers });
  await eventually("three lines are written", async () => (await lab.lines(id)).length === 3);
  builder.release();
  const { messages, code } = await following;
  assert.equal(code, 1000);
  const texts = messages.map((text) => JSON.parse(text) as Record<string, unknown>);
  assert.deepEqual(
    texts.map(({ type, seq, text, status, ended }) => [type, seq ?? status, ended ? "done" : text]),
    [
      ["line", 2, "two"],
      ["line", 3, "three"],
      ["line", 4, "done"],
      ["line", 5, "freezing"],
      ["line", 6, "done"],
      ["line", 7, "testing"],
      ["line", 8, "done"],
      ["end", "success", undefined],
    ],
  );
  const auth = JSON.stringify({ type: "auth", token: lab.token });
  const first = await webSocketCall(platform.url, path, { messages: [auth] });
  assert.equal(first.messages.length, 10, first.messages.join());
});

test("sessions refuse other teams, keys without the scope, ids that are none and queries that are not known", async () => {
  const id = await lab.start("closed", ["RUN true"]);
  const other = await platform.person("listener");
  const call = async (path: string, token: string) =>
    await webSocketCall(platform.url, path, { headers: { authorization: `Bearer ${token}` } });
  const path = `/v1/builds/${id}/logs`;
  assert.match((await call(path, other.token)).messages.join(), /build not found/);
  const wrong = JSON.stringify({ type: "auth", token: "a.b.c" });
  const unknown = await webSocketCall(platform.url, path, { messages: [wrong] });
  assert.match(unknown.messages.join(), /authentication failed/);
  assert.equal((await call("/v1/builds/cl-x/logs", lab.token)).status, 400);
  assert.equal((await call(`${path}?since=1`, lab.token)).status, 400);
  assert.match((await call(`${path}?from=-1`, lab.token)).messages.join(), /from is no line number/);
  assert.equal((await call(`/v1/capsules/${id}/logs`, lab.token)).status, 404);
  const made = await lab.call("POST", "/v1/api-keys", { scopes: ["run"] });
  const key = { "x-api-key": String(made.body["key"]) };
  const refused = await webSocketCall(platform.url, path, { headers: key });
  assert.match(refused.messages.join(), /lacks the scope read/);
  assert.equal((await platform.call("POST", "/v1/builds", { key: key["x-api-key"], body: {} })).status, 403);
  await lab.reaches(id, "success");
});

test("a session ends with the key that it was opened with", async () => {
  const id = await lab.start("watched", ["RUN echo a; sleep 600"]);
  const made = await lab.call("POST", "/v1/api-keys", { scopes: ["read"] });
  const path = `/v1/builds/${id}/logs`;
  const headers = { "x-api-key": String(made.body["key"]) };
  const following = webSocketCall(platform.url, path, { headers });
  await eventually("it has begun", async () => (await lab.lines(id)).length === 2);
  await new Promise((resolve) => setTimeout(resolve, 300));
  await lab.call("DELETE", `/v1/api-keys/${String(made.body["id"])}`);
  const { code, messages } = await following;
  assert.equal(code, 1008, messages.join());
  await lab.call("POST", `/v1/builds/${id}/cancel`);
});

test("builds of a team end with it", async () => {
  const leaving = await platform.person("leaving");
  const answer = await platform.call("POST", "/v1/builds", {
    token: leaving.token,
    body: { name: "left", recipe: ["RUN sleep 600"] },
  });
  assert.equal(answer.status, 201);
  const gone = await platform.call("DELETE", `/v1/teams/${leaving.teamId}`, { token: leaving.token });
  assert.equal(gone.status, 204, JSON.stringify(gone.body));
  await eventually("the builder has ended it", () => builder.running.size === 0);
});
