import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, afterEach, before, beforeEach, test } from "node:test";
import type { Wrenn } from "../../src/client.ts";
import { isWrennError } from "../../src/errors/wrenn-error.ts";
import { useNodePlatform } from "../../src/node/node-platform.ts";
import type { Build, BuildLogLine, BuildStep } from "../../src/templates/build.ts";
import type { BuildContextProblem } from "../../src/templates/build-options.ts";
import { refusal, ScriptedApi } from "../support/scripted-api.ts";
import type { Call } from "../support/scripted-api.ts";

useNodePlatform();

const AT = "2026-03-01T09:30:00.000Z";
const wire = {
  id: "bld-1",
  name: "app",
  base_template: "minimal",
  recipe: ["RUN true", "COPY . /app"],
  recipe_text: "RUN true\nCOPY . /app\n",
  vcpus: 1,
  memory_mb: 512,
  skip_pre_post: false,
  status: "pending",
  current_step: 0,
  total_steps: 2,
  logs: [] as object[],
  dropped_lines: 0,
  default_user: "root",
  default_env: {},
  created_at: AT,
};
const failedStep = {
  step: 2,
  phase: "recipe",
  cmd: "COPY . /app",
  stdout: "",
  stderr: "no",
  exit: 7,
  ok: false,
  cached: false,
  elapsed_ms: 5,
};

let api: ScriptedApi;
let client: Wrenn;
let directory: string;
before(async () => {
  api = await ScriptedApi.start();
});
after(() => api[Symbol.asyncDispose]());
afterEach(() => rm(directory, { recursive: true, force: true }));
beforeEach(async () => {
  client = api.client();
  api.calls.length = 0;
  directory = await mkdtemp("/tmp/wrenn-sdk-context-");
  api.on("POST /v1/builds", { status: 201, body: wire });
});

/** The fields of a form, as a server reads them. */
async function formOf({ raw, headers }: Call): Promise<{ config: Record<string, unknown>; archive: Buffer }> {
  const form = await new Response(raw, {
    headers: { "content-type": String(headers["content-type"]) },
  }).formData();
  const archive = form.get("archive");
  assert.ok(archive instanceof File);
  return {
    config: JSON.parse(form.get("config") as string) as Record<string, unknown>,
    archive: Buffer.from(await archive.arrayBuffer()),
  };
}

const line = (seq: number, step: number, stream: string, text: string, ended?: object) => ({
  seq,
  step,
  stream,
  text,
  at: AT,
  ...(ended && { ended }),
});

test("the text of a recipe is sent with what belongs to it", async () => {
  const made = await client.builds.create({
    name: "app",
    recipe: "ARG A\nRUN true\n",
    recipeFile: "app/Wrennfile",
    args: { A: "1" },
    secrets: { token: "hush" },
    noCache: true,
    fromStep: 2,
    healthcheck: "true",
  });
  assert.deepEqual(api.calls[0]?.body, {
    name: "app",
    recipe_text: "ARG A\nRUN true\n",
    recipe_file: "app/Wrennfile",
    args: { A: "1" },
    secrets: { token: "hush" },
    no_cache: true,
    from_step: 2,
    healthcheck: "true",
  });
  assert.deepEqual([made.recipeText, made.isOver], [wire.recipe_text, false]);
});

test("a context is sent as a form with a known length: the sources of each step, under its number", async () => {
  await mkdir(join(directory, "src/deep"), { recursive: true });
  await writeFile(join(directory, "src/deep/file"), "x".repeat(300_000));
  await symlink("deep/file", join(directory, "src/link"));
  await writeFile(join(directory, "ignored"), "secret");
  await writeFile(join(directory, ".dockerignore"), "ignored\n");
  const uploads: object[] = [];
  await client.builds.create({
    name: "app",
    recipe: "RUN true\nCOPY src /app\nRUN true\nCOPY src/deep/file /one\nCOPY <<EOF /two\nx\nEOF\n",
    context: directory,
    onUpload: (upload) => uploads.push(upload),
  });
  const [call] = api.calls;
  assert.ok(call);
  assert.equal(call.headers["content-length"], String(call.raw.length));
  const { config, archive } = await formOf(call);
  const sources = config["sources"] as Record<
    string,
    { digest: string; single: boolean; archives: string[] }
  >;
  assert.deepEqual(
    Object.entries(sources).map(([step, { digest, ...rest }]) => [step, /^[0-9a-f]{64}$/.test(digest), rest]),
    [
      ["2", true, { single: false, archives: [] }],
      ["4", true, { single: true, archives: [] }],
    ],
  );
  const listed = spawnSync("tar", ["-tv"], { input: archive, encoding: "utf8" }).stdout;
  assert.deepEqual(
    listed
      .trim()
      .split("\n")
      .map((row) => row.replace(/^(.).*\d\d:\d\d /, "$1 ")),
    ["d 2/", "d 2/deep/", "- 2/deep/file", "l 2/link -> deep/file", "d 4/", "- 4/file"],
  );
  assert.deepEqual(uploads, [{ entries: 4, size: archive.length }]);
});

test("what is wrong with a context is reported with its path, and fails only a strict build", async () => {
  await mkdir(join(directory, "src"));
  await symlink("/etc/passwd", join(directory, "src/outside"));
  await symlink("nothing", join(directory, "src/dangling"));
  await writeFile(join(directory, "src/file"), "x");
  const problems: BuildContextProblem[] = [];
  const options = {
    name: "app",
    recipe: "COPY src /app\n",
    context: directory,
    onProblem: (problem: BuildContextProblem) => problems.push(problem),
  };
  await client.builds.create(options);
  assert.deepEqual(
    problems.map(({ path, kind }) => [path, kind]),
    [
      ["src/dangling", "dangling-link"],
      ["src/outside", "outside-link"],
    ],
  );
  const [call] = api.calls;
  assert.ok(call && !call.raw.includes("root:"), "nothing outside is read");
  const strict = await client.builds.create({ ...options, strict: true }).catch((error: unknown) => error);
  assert.ok(isWrennError(strict, "context_invalid"));
  assert.match(strict.message, /src\/dangling links to nothing.*; src\/outside links to \/etc\/passwd/);
  assert.equal(api.calls.length, 1);
});

test("a source that is not there is refused with its position, before anything is sent", async () => {
  const refused = (recipe: string): Promise<unknown> =>
    client.builds
      .create({ name: "app", recipe, recipeFile: "Wrennfile", context: directory })
      .catch((error: unknown) => error);
  const missing = await refused("RUN true\n\nCOPY  gone /app\nCOPY ../up /app\n");
  assert.ok(isWrennError(missing, "recipe_invalid"));
  assert.match(missing.message, /^Wrennfile:4:6: "\.\.\/up" is outside the context$/);
  const alone = await refused("RUN true\n\nCOPY  gone /app\n");
  assert.ok(isWrennError(alone, "recipe_invalid"));
  assert.match(alone.message, /^Wrennfile:3:7: "gone" is not in the context$/);
  const nowhere = await client.builds
    .create({ name: "app", recipe: "COPY a /b\n", context: join(directory, "none") })
    .catch((error: unknown) => error);
  assert.ok(isWrennError(nowhere, "context_invalid"));
  assert.match(nowhere.message, /none/);
  assert.deepEqual(api.asked, []);
});

test("a directory that no step copies from is not read", async () => {
  await client.builds.create({ name: "app", recipe: "RUN true\n", context: join(directory, "none") });
  assert.equal(api.calls[0]?.headers["content-type"], "application/json");
});

test("a file that changes while it is sent fails the call with its path", async () => {
  const path = join(directory, "file");
  await writeFile(path, "x".repeat(200_000));
  let changed: Promise<void> | undefined;
  const error = await client.builds
    .create({
      name: "app",
      recipe: "COPY file /app\n",
      context: directory,
      // Runs before the archive is read.
      onUpload: () => {
        changed = truncate(path, 10);
      },
    })
    .catch((failure: unknown) => failure);
  await changed;
  assert.ok(isWrennError(error, "context_invalid"), String(error));
  assert.match(error.message, /file: changed while the context was read/);
});

test("a context needs a recipe text, and does not go with an archive", async () => {
  for (const options of [
    { recipe: ["COPY a /b"], context: directory },
    { recipe: "COPY a /b", context: directory, archive: new Uint8Array(1) },
    { recipe: "COPY a /b", context: directory, sources: {} },
  ])
    await assert.rejects(client.builds.create({ name: "app", ...options }), { code: "invalid_option" });
});

test("an archive that a function gives is asked for again when the server was busy", async () => {
  let opened = 0;
  let answers = 0;
  api.on("POST /v1/builds", () =>
    answers++ === 0 ? refusal(429, "rate_limited") : { status: 201, body: wire },
  );
  await client.builds.create({
    name: "app",
    recipe: "COPY a /b",
    sources: { 1: { digest: "0".repeat(64) } },
    archive: async function* () {
      opened++;
      yield await Promise.resolve(Uint8Array.of(1, 2));
      yield Uint8Array.of(3);
    },
  });
  const { config, archive } = await formOf(api.calls[1] ?? assert.fail());
  assert.deepEqual([opened, [...archive]], [2, [1, 2, 3]]);
  assert.deepEqual(config["sources"], { 1: { digest: "0".repeat(64), single: false, archives: [] } });
});

test("a build is followed to its end, line by line", async () => {
  const pages = [
    { lines: [line(0, 1, "system", "RUN true")], next_from: 1, status: "running" },
    { lines: [], next_from: 1, status: "running" },
    {
      lines: [
        line(1, 1, "stdout", "said"),
        line(2, 1, "system", "done in 1.2 s", { ok: true, cached: false, elapsed_ms: 1200 }),
      ],
      next_from: 3,
      status: "success",
    },
    { lines: [], next_from: 3, status: "success" },
  ];
  const durations = { settle_ms: 1, freeze_ms: 2, smoke_test_ms: 3 };
  api
    .on("GET /v1/builds/bld-1/logs", () => ({ body: pages.shift() }))
    .on("GET /v1/builds/bld-1", { body: { ...wire, status: "success", durations } });
  const lines: BuildLogLine[] = [];
  const started: Build[] = [];
  const build = await client.templates.build({
    name: "app",
    recipe: "RUN true\n",
    onStart: (one) => started.push(one),
    onLog: (one) => lines.push(one),
  });
  assert.deepEqual([build.status, build.isOver, started[0]?.id], ["success", true, "bld-1"]);
  assert.deepEqual(build.durations, { settleMs: 1, freezeMs: 2, smokeTestMs: 3 });
  assert.deepEqual(
    lines.map(({ text, ended }) => [text, ended]),
    [
      ["RUN true", undefined],
      ["said", undefined],
      ["done in 1.2 s", { isOk: true, isCached: false, durationMs: 1200 }],
    ],
  );
});

test("a build that fails rejects with the build, its step and the last lines of it", async () => {
  const spoken = Array.from({ length: 30 }, (_, at) => line(at + 2, 2, "stderr", `line ${at}`));
  const pages = [
    {
      lines: [line(0, 1, "stdout", "of another step"), line(1, 2, "system", "COPY . /app"), ...spoken],
      next_from: 32,
      status: "failed",
    },
    { lines: [], next_from: 32, status: "failed" },
  ];
  const error = "recipe step 2 failed: exit code 7: no";
  api
    .on("GET /v1/builds/bld-1/logs", () => ({ body: pages.shift() }))
    .on("GET /v1/builds/bld-1", {
      body: { ...wire, status: "failed", error, reason: "build_failed", logs: [failedStep] },
    });
  const failure = await client.templates
    .build({ name: "app", recipe: "RUN x\n" })
    .catch((one: unknown) => one);
  assert.ok(isWrennError(failure, "build_failed"));
  assert.match(failure.message, /build bld-1 of app has ended: recipe step 2 failed: exit code 7: no/);
  const { build, step, lines } = failure.details as {
    build: Build;
    step: BuildStep;
    lines: readonly BuildLogLine[];
  };
  assert.deepEqual([build.status, step.step, step.exitCode], ["failed", 2, 7]);
  assert.deepEqual([lines.length, lines[0]?.text, lines.at(-1)?.text], [20, "line 10", "line 29"]);
});

test("an abort cancels the build, and one that comes before it is there starts none", async () => {
  const controller = new AbortController();
  const reason = new Error("enough");
  api
    .on("GET /v1/builds/bld-1/logs", { body: { lines: [], next_from: 0, status: "running" } })
    .on("POST /v1/builds/bld-1/cancel", { status: 204 });
  const building = client.templates.build({
    name: "app",
    recipe: "RUN sleep 600\n",
    signal: controller.signal,
    onStart: () => setTimeout(() => controller.abort(reason), 100),
  });
  await assert.rejects(building, reason);
  assert.equal(api.asked.at(-1), "POST /v1/builds/bld-1/cancel");
  api.calls.length = 0;
  await assert.rejects(
    client.templates.build({ name: "app", recipe: "RUN true\n", signal: AbortSignal.abort(reason) }),
    reason,
  );
  assert.deepEqual(api.asked, []);
});

test("a build refuses options that it does not know", async () => {
  const options = { name: "x", recipe: "RUN true", onLine: () => undefined };
  await assert.rejects(client.templates.build(options), { code: "unknown_option" });
});
