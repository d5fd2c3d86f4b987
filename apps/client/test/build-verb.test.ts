import assert from "node:assert/strict";
import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, beforeEach, test } from "node:test";
import { build } from "../src/verbs/build.ts";
import type { BuildVerbOptions } from "../src/verbs/build.ts";
import { importImage } from "../src/verbs/template-import.ts";
import { inspect } from "../src/verbs/template-inspect.ts";
import { ScriptedBuilds } from "./support/scripted-builds.ts";

const server = await ScriptedBuilds.start();
after(() => server[Symbol.asyncDispose]());
const dir = await mkdtemp("/tmp/wrenn-build-verb-");
after(() => rm(dir, { recursive: true, force: true }));

const options: BuildVerbOptions = { tag: "web", cache: true, progress: "auto" };
let count = 0;

/** A directory with these files. */
async function contextOf(files: Readonly<Record<string, string>>): Promise<string> {
  const root = join(dir, String(count++));
  for (const [path, text] of Object.entries(files)) {
    await mkdir(join(root, path, ".."), { recursive: true });
    await writeFile(join(root, path), text);
  }
  return root;
}

beforeEach(() => {
  server.reset([
    { instruction: "RUN true", end: "cached" },
    { instruction: "COPY a /b", output: ["said \u001b[2J"], end: "done" },
  ]);
});

test("a build shows its steps on standard error, and prints the template", async () => {
  const root = await contextOf({ Wrennfile: "ARG V=1\nRUN true\nCOPY a /b\n", a: "content" });
  const result = await server.run((context) =>
    build(context, root, { ...options, buildArg: ["V=2"], secret: ["id=t,env=TOKEN"], cache: false }),
  );
  assert.deepEqual([result.code, result.stdout], [0, "web\n"], result.stderr);
  assert.deepEqual(result.stderr.split("\n"), [
    "sending 1 file (2.5 KiB)",
    "#1 [1/2] RUN true",
    "#1 CACHED",
    "#2 [2/2] COPY a /b",
    "#2 0.00 said \\x1b[2J",
    "#2 DONE 1.2s",
    "",
  ]);
  const [config = ""] = /\{.*\}/.exec(server.body) ?? [];
  const sent = JSON.parse(config) as Record<string, unknown>;
  const { sources, ...rest } = sent;
  assert.deepEqual(rest, {
    name: "web",
    recipe_text: "ARG V=1\nRUN true\nCOPY a /b\n",
    recipe_file: `${root}/Wrennfile`,
    args: { V: "2" },
    secrets: { t: "hush" },
    no_cache: true,
  });
  assert.deepEqual(Object.keys(sources as object), ["2"]);
  assert.match(server.body, /content/);
});

test("a recipe from standard input needs no directory, and its own ignore file counts", async () => {
  server.reset([{ instruction: "RUN true", end: "done" }]);
  const { code, stderr } = await server.run((context) => build(context, undefined, options), {
    input: "RUN true\n",
  });
  assert.deepEqual([code, stderr], [0, "#1 [1/1] RUN true\n#1 DONE 1.2s\n"]);
  assert.deepEqual(JSON.parse(server.body), {
    name: "web",
    recipe_text: "RUN true\n",
    recipe_file: "recipe",
  });
  const root = await contextOf({
    "other.recipe": "COPY . /b\n",
    "other.recipe.dockerignore": "left-out\n",
    ".dockerignore": "kept\n",
    kept: "kept-content",
    "left-out": "secret-content",
  });
  await server.run((context) => build(context, root, { ...options, file: join(root, "other.recipe") }));
  assert.match(server.body, /kept-content/);
  assert.doesNotMatch(server.body, /secret-content/);
});

test("an image becomes a template of its name, with the password from the environment", async () => {
  server.reset([]);
  const run = (reference: string, more: object = {}, env: Record<string, string> = {}) =>
    server.run((context) => importImage(context, reference, { progress: "auto", ...more }), { env });
  const plain = await run("registry.test:5000/team/app:v1");
  assert.deepEqual([plain.code, plain.stdout], [0, "web\n"], plain.stderr);
  assert.deepEqual(JSON.parse(server.body), {
    name: "app:v1",
    recipe_text: "FROM registry.test:5000/team/app:v1\n",
    recipe_file: "recipe",
  });
  await run(
    "python@sha256:0123",
    { tag: "py:v3", registryUser: "reader" },
    { WRENN_REGISTRY_PASSWORD: "word" },
  );
  const { name, registry_login: login } = JSON.parse(server.body) as Record<string, unknown>;
  assert.deepEqual([name, login], ["py:v3", { username: "reader", password: "word" }]);
  server.asked.length = 0;
  for (const [reference, more, message] of [
    ["two words", {}, /a name without blanks/],
    ["", {}, /a name without blanks/],
    [`registry.test/${"long".repeat(20)}`, {}, /Name it with --tag/],
    ["app", { registryUser: "reader" }, /WRENN_REGISTRY_PASSWORD is not set/],
  ] as const) {
    const refused = await run(reference, more);
    assert.equal(refused.code, 2, reference);
    assert.match(refused.stderr, message);
  }
  assert.deepEqual(server.asked, [], "nothing was sent");
});

test("a file is sent as an archive, and the template is called as it is", async () => {
  server.reset([]);
  const root = await contextOf({ "web app.tar": "bytes", "tool.oci.tar.gz": "packed", directory: "x" });
  const run = (path: string, more: object = {}) =>
    server.run((context) => importImage(context, path, { progress: "auto", ...more }));
  const tool = await run(join(root, "tool.oci.tar.gz"), { image: "team/tool:v2", memory: 256 });
  assert.deepEqual([tool.code, tool.stdout], [0, "web\n"], tool.stderr);
  assert.match(tool.stderr, /^sending tool\.oci\.tar\.gz \(6 B\)\n/);
  assert.match(server.body, /\{"name":"tool","image":"team\/tool:v2","memory_mb":256\}/);
  assert.match(server.body, /name="image"; filename="tool\.oci\.tar\.gz"[^]*\r\n\r\npacked\r\n--/);
  const quiet = await server.run(
    (context) =>
      importImage(context, join(root, "web app.tar"), { progress: "auto", tag: "web", detach: true }),
    { json: true },
  );
  assert.deepEqual([quiet.code, quiet.stderr], [0, ""]);
  assert.deepEqual(
    server.asked.filter((asked) => asked === "POST /v1/builds"),
    [],
  );
  server.asked.length = 0;
  for (const [path, more, message] of [
    [join(root, "web app.tar"), {}, /Name it with --tag/],
    [join(root, "none.tar"), {}, /no such file/],
    [root, {}, /is not a file/],
    [join(root, "tool.oci.tar.gz"), { registryUser: "reader" }, /--registry-user does not go with/],
    ["alpine:3.22", { image: "x" }, /--image goes with an archive/],
  ] as const) {
    const refused = await run(path, more);
    assert.equal(refused.code, 2, path);
    assert.match(refused.stderr, message);
  }
  assert.deepEqual(server.asked, [], "nothing was sent");
});

test("a build that fails shows the instruction with its position and its last lines, and is exit code 1", async () => {
  server.reset([
    { instruction: "RUN one", end: "done" },
    { instruction: "RUN two", output: ["no"], end: "failed" },
  ]);
  const input = "FROM minimal\n# comment\nRUN one\n\n  RUN two\n";
  const run = (json: boolean, progress: BuildVerbOptions["progress"] = "quiet") =>
    server.run((context) => build(context, undefined, { ...options, progress }), { input, json });
  const { code, stdout, stderr } = await run(false);
  assert.deepEqual([code, stdout], [1, ""]);
  assert.deepEqual(stderr.split("\n").slice(0, 5), [
    "------",
    " > [2/2] RUN two:",
    "no",
    "------",
    "wrenn: recipe:5:3: build bld-1 has ended: recipe step 2 failed: exit code 7: no",
  ]);
  assert.match((await run(false, "plain")).stderr, /^#2 ERROR failed in 1\.2 s$/m);
  const silent = await run(true, "auto");
  assert.deepEqual([silent.code, silent.stderr], [1, ""]);
  const { error } = JSON.parse(silent.stdout) as { error: { code: string; message: string } };
  assert.deepEqual([error.code, error.message.slice(0, 11)], ["build_failed", "recipe:5:3:"]);
});

test("problems of the directory are shown with their paths, and fatal with --strict", async (t) => {
  const root = await contextOf({ Dockerfile: "COPY . /b\n", "src/a": "x", "src/unreadable": "hidden" });
  await symlink("/etc/hostname", join(root, "src/outside"));
  await symlink("gone", join(root, "src/dangling"));
  const lenient = await server.run((context) => build(context, root, options));
  assert.equal(lenient.code, 0, lenient.stderr);
  assert.match(lenient.stderr, /^wrenn: .*: src\/outside links to \/etc\/hostname, outside the context$/m);
  assert.match(lenient.stderr, /^wrenn: .*: src\/dangling links to gone, which is not in the context$/m);
  server.asked.length = 0;
  const strict = await server.run((context) => build(context, root, { ...options, strict: true }));
  assert.equal(strict.code, 2);
  assert.match(strict.stderr, /src\/dangling links to gone.*; src\/outside links/);
  assert.deepEqual(server.asked, []);
  // Root may read everything, so the part for other users runs as one.
  if (process.getuid?.() !== 0) return t.diagnostic("not root: unreadable files are not tried");
  await chmod(join(root, "src/unreadable"), 0o000);
  for (const path of [dir, root, join(root, "src")]) await chmod(path, 0o755);
  process.seteuid?.(65_534);
  try {
    const { code, stderr } = await server.run((context) => build(context, root, options));
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^wrenn: .*: src\/unreadable cannot be read by this user$/m);
    assert.doesNotMatch(server.body, /hidden/);
  } finally {
    process.seteuid?.(0);
  }
});

test("what cannot be built is refused with its position before anything is sent, as exit code 2", async () => {
  const root = await contextOf({
    Wrennfile: "RUN true\nCOPY  gone /b\n",
    "from/Wrennfile": "FROM base\nRUN x\n",
  });
  for (const [directory, extra, message] of [
    [root, {}, /Wrennfile:2:7: "gone" is not in the context/],
    [join(root, "from"), { from: "other" }, /--from does not go with FROM of .*Wrennfile/],
    [join(root, "from"), { fromStep: 2 }, /--from-step 2: .*Wrennfile has 1 steps/],
    [root, { buildArg: ["NONE"] }, /no variable NONE/],
    [root, { buildArg: ["W=1"] }, /--build-arg W: no ARG of .*Wrennfile declares it/],
    [root, { tag: undefined }, /--tag names the template/],
  ] as const) {
    const { code, stderr } = await server.run((context) =>
      build(context, directory, { ...options, ...extra }),
    );
    assert.equal(code, 2, stderr);
    assert.match(stderr, message);
  }
  assert.deepEqual(server.asked, []);
});

test("an interrupt cancels the build and says so; -d leaves it running", async () => {
  server.isEndless = true;
  const interrupted = await server.run((context) => build(context, undefined, options), {
    input: "RUN sleep 600\n",
    onError: (text, context) => {
      if (text.includes("#2")) context.interrupt(130);
    },
  });
  assert.equal(interrupted.code, 130, interrupted.stderr);
  assert.match(interrupted.stderr, /build bld-1: cancelled\n$/);
  assert.ok(server.asked.includes("POST /v1/builds/bld-1/cancel"));
  server.asked.length = 0;
  const detached = await server.run((context) => build(context, undefined, { ...options, detach: true }), {
    input: "RUN sleep 600\n",
  });
  assert.deepEqual([detached.code, detached.stdout, server.asked], [0, "bld-1\n", ["POST /v1/builds"]]);
});

test("template inspect shows of each version the build that made it", async () => {
  const at = "2026-03-01T09:30:04.000Z";
  const version = { vcpus: 1, memory_mb: 512, size_bytes: 2048 };
  server.answers.set("GET /v1/templates/web", {
    name: "web",
    platform: false,
    public: false,
    own: true,
    versions: [
      { ...version, version: 2, tags: ["default"], created_at: at },
      { ...version, version: 1, tags: ["old"], created_at: "2026-02-01T09:30:00.000Z" },
    ],
    tags: [{ tag: "default", version: 2, tagged_at: at }],
  });
  server.answers.set("GET /v1/builds", [
    { ...server.build("failed"), id: "bld-2" },
    { ...server.build("success"), logs: [] },
  ]);
  const { code, stdout, stderr } = await server.run((context) => inspect(context, "web"));
  assert.equal(code, 0, stderr);
  assert.match(stdout, /^ +2 +default +1 +512 MiB +2 KiB +2 +1 +5\.0s/m);
  assert.match(stdout, /^ +1 +old +1 +512 MiB +2 KiB {2,}\d+ d$/m);
  assert.match(stdout, /^version 2 is of build bld-1$/m);
  assert.match(stdout, /^ +1 +cached +RUN true\n +2 +1\.2s +COPY a \/b$/m);
  const json = await server.run((context) => inspect(context, "web"), { json: true });
  const { versions } = JSON.parse(json.stdout) as { versions: { version: number; build?: { id: string } }[] };
  assert.deepEqual(
    versions.map((one) => [one.version, one.build?.id]),
    [
      [2, "bld-1"],
      [1, undefined],
    ],
  );
});
