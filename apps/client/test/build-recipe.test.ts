import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { PassThrough } from "node:stream";
import { after, test } from "node:test";
import { buildArgs, buildSecrets } from "../src/builds/build-inputs.ts";
import { readRecipe } from "../src/builds/read-recipe.ts";
import type { RecipeLocation } from "../src/builds/read-recipe.ts";
import type { Context } from "../src/context.ts";
import { Output } from "../src/output/output.ts";

const dir = await mkdtemp("/tmp/wrenn-client-recipe-");
after(() => rm(dir, { recursive: true, force: true }));
const { signal } = new AbortController();

/** Reads a recipe as the command does, with this standard input; undefined is a terminal. */
async function read(options: Partial<RecipeLocation>, input?: string) {
  const stdin = new PassThrough();
  if (input === undefined) Object.assign(stdin, { isTTY: true });
  else stdin.end(input);
  let said = "";
  const stream = { write: (text: string | Uint8Array) => ((said += String(text)), true) };
  const output = new Output({ stdout: stream, stderr: stream, isJson: false, env: {} });
  const context = { terminal: { stdin }, output, signal } as unknown as Context;
  try {
    const recipe = await readRecipe(context, { file: undefined, directory: undefined, ...options });
    return { recipe, said };
  } catch (error) {
    return { error: error as Error & { code: string; remedy: string }, said };
  }
}

async function contextOf(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const root = join(dir, name);
  await mkdir(root);
  for (const [path, text] of Object.entries(files)) await writeFile(join(root, path), text);
  return root;
}

test("the recipe is the named file, else the directory's Wrennfile or Dockerfile, else standard input", async () => {
  const root = await contextOf("both", { Wrennfile: "RUN one", Dockerfile: "RUN two", other: "RUN three" });
  const docker = await contextOf("docker", { Dockerfile: "RUN two" });
  const rows: readonly (readonly [Partial<RecipeLocation>, string, string])[] = [
    [{ directory: root }, "RUN one", join(root, "Wrennfile")],
    [{ directory: docker }, "RUN two", join(docker, "Dockerfile")],
    [{ directory: root, file: join(root, "other") }, "RUN three", join(root, "other")],
    [{ directory: root, file: "-" }, "RUN four", "recipe"],
    [{}, "RUN four", "recipe"],
  ];
  for (const [options, text, file] of rows) {
    const { recipe } = await read(options, "RUN four");
    assert.deepEqual([recipe?.text, recipe?.file], [text, file]);
  }
});

test("what is missing or cannot be read is named, with what to do", async () => {
  const empty = await contextOf("empty", {});
  const rows: readonly (readonly [Partial<RecipeLocation>, string, RegExp])[] = [
    [{}, "recipe_missing", /there is no recipe/],
    [{ directory: empty }, "recipe_missing", /empty has neither a Wrennfile nor a Dockerfile/],
    [{ directory: join(dir, "none") }, "file_unreadable", /none/],
    [{ file: join(dir, "none") }, "file_unreadable", /none/],
    [{ file: dir }, "file_unreadable", /EISDIR/],
  ];
  for (const [options, code, message] of rows) {
    const { error } = await read(options);
    assert.equal(error?.code, code, error?.message ?? "");
    assert.match(error?.message ?? "", message);
  }
  await writeFile(join(dir, "latin"), Buffer.from([0x52, 0x55, 0x4e, 0x20, 0xe9]));
  assert.match((await read({ file: join(dir, "latin") })).error?.message ?? "", /not a text in UTF-8/);
});

test("a Wrennfile that is a link out of its directory is refused, and not read", async () => {
  const root = await contextOf("linked", { real: "RUN inside" });
  await writeFile(join(dir, "outside"), "TOP-SECRET line");
  await symlink("../outside", join(root, "Wrennfile"));
  const { error, said } = await read({ directory: root });
  assert.ok(error);
  assert.equal(error.code, "file_unreadable");
  assert.match(error.message, /linked\/Wrennfile is a link to a place outside/);
  assert.doesNotMatch(`${error.message}${said}`, /SECRET/);
  await rm(join(root, "Wrennfile"));
  await symlink("real", join(root, "Wrennfile"));
  assert.equal((await read({ directory: root })).recipe?.text, "RUN inside");
});

test("every problem of a recipe has its position; one alone is the error itself", async () => {
  const several = await read({}, "RUNN x\nRUN true\nCOPI a b\n");
  assert.deepEqual(
    [several.error?.code, several.error?.message],
    ["recipe_invalid", "recipe has 2 problems"],
  );
  assert.match(several.said, /^recipe:1:1: unknown instruction "RUNN"\n {7}Did you mean RUN\?\nrecipe:3:1: /);
  const one = await read({}, "RUN true\nVOLUME /x\n");
  assert.match(one.error?.message ?? "", /^recipe:2:1: VOLUME is not supported in recipes$/);
  assert.equal(one.said, "");
});

test("steps have positions, without FROM and ARG, and COPY of files needs a directory", async () => {
  const text = "ARG A=1\nFROM minimal\nARG B\n\n  RUN one\nCOPY <<X /y\nz\nX\nENV C=1\n";
  const { recipe } = await read({}, text);
  assert.deepEqual(recipe?.steps, [
    { line: 5, column: 3 },
    { line: 6, column: 1 },
    { line: 9, column: 1 },
  ]);
  assert.deepEqual([recipe.hasFrom, [...recipe.declared]], [true, ["A", "B"]]);
  const { error } = await read({}, "RUN true\nCOPY a /b\n");
  assert.deepEqual(
    [error?.code, (error?.message ?? "").startsWith("recipe:2:1: COPY needs")],
    ["directory_missing", true],
  );
});

test("arguments come from the command line or the environment", () => {
  const env = { FROM_ENV: "e", EMPTY: "" };
  assert.deepEqual(buildArgs(["A=1=2", "FROM_ENV", "EMPTY", "B="], env), {
    A: "1=2",
    FROM_ENV: "e",
    EMPTY: "",
    B: "",
  });
  assert.throws(() => buildArgs(["NONE"], env), /no variable NONE/);
  assert.throws(() => buildArgs(["=1"], env), /has no name/);
});

test("secrets come from files and variables, and no message has their values", async () => {
  const path = join(dir, "token");
  await writeFile(path, "hush\n");
  await writeFile(join(dir, "long"), "x".repeat(65_537));
  const env = { TOKEN: "quiet", named: "same" };
  const given = [`id=a,src=${path}`, "type=env,id=b,env=TOKEN", "id=named"];
  assert.deepEqual(await buildSecrets(given, env, signal), { a: "hush\n", b: "quiet", named: "same" });
  for (const [text, message] of [
    ["src=x", /no id/],
    ["id=a,src=x,env=y", /both src and env/],
    ["id=a,colour=red", /not known or empty/],
    ["id=a,env=", /not known or empty/],
    ["id=a,env=NONE", /no variable NONE/],
    ["id=a,src=/no/such", /ENOENT/],
    [`id=a,src=${join(dir, "long")}`, /longer than 64 KiB/],
    ["hush", /not known or empty/],
  ] as const)
    await assert.rejects(buildSecrets([text], env, signal), (error: Error) => {
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /hush|quiet/);
      return true;
    });
  await assert.rejects(buildSecrets(["id=b,env=TOKEN", "id=b,env=TOKEN"], env, signal), /given twice/);
});

test("a FIFO with a recipe is read to its end", async () => {
  const fifo = join(dir, "fifo");
  assert.equal(spawnSync("mkfifo", [fifo]).status, 0);
  const [{ recipe }] = await Promise.all([read({ file: fifo }), writeFile(fifo, "RUN piped")]);
  assert.equal(recipe?.text, "RUN piped");
});
