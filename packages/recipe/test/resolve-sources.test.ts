import assert from "node:assert/strict";
import { link } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { IgnoreRules } from "@wrenn/recipe";
import { readContext } from "@wrenn/recipe/context";
import { ContextLab, copyOf } from "./support/context-lab.ts";
import { problemsIn } from "./support/problems.ts";

const lab = await ContextLab.open({
  "a.txt": "a",
  "b.txt": "b",
  ".dot": "d",
  "dir/x": "x",
  "dir/.y": "y",
  "dir/sub/z": "z",
  "dir2/x": "other",
  "dir2/w": "w",
  "empty/": "",
  link: "-> dir",
  "dir/link": "-> x",
  "a[1]": "brackets",
  "two words": "words",
  "out/secret": "",
});
after(async () => await lab[Symbol.asyncDispose]());
await link(join(lab.root, "a.txt"), join(lab.root, "dir/same"));
const rules = IgnoreRules.parse("\nout\n");
const context = await readContext(lab.root, { ignore: rules });

/** Paths below the target, with a mark for the new name of a file. */
function membersOf(line: string): readonly string[] {
  const { members, isTarget } = copyOf(line, context);
  return isTarget ? [`= ${members[0]?.path}`] : members.map(({ path }) => path);
}

test("files, directories and patterns are found by Docker's rules", () => {
  const dir = [".y", "link", "same", "sub", "sub/z", "x"];
  const table: readonly (readonly [string, readonly string[]])[] = [
    ["COPY a.txt /t", ["= a.txt"]],
    ["COPY a.txt /t/", ["a.txt"]],
    ["COPY ./a.txt .", ["a.txt"]],
    ["COPY /a.txt /t", ["= a.txt"]],
    ["COPY a.txt b.txt /t/", ["a.txt", "b.txt"]],
    ["COPY dir /t", dir],
    ["COPY dir/ /t/", dir],
    ["COPY dir/. /t/", dir],
    ["COPY dir/sub/z /t", ["= z"]],
    ["COPY empty /t", []],
    ["COPY dir dir2 /t/", [".y", "link", "same", "sub", "sub/z", "w", "x"]],
    ["COPY *.txt /t/", ["a.txt", "b.txt"]],
    ["COPY a*.txt /t", ["= a.txt"]],
    ["COPY ?.txt /t/", ["a.txt", "b.txt"]],
    ["COPY [ab].txt /t/", ["a.txt", "b.txt"]],
    ["COPY dir/* /t/", [".y", "link", "same", "x", "z"].sort()],
    ["COPY dir*/x /t/", ["x"]],
    ["COPY **/z /t", []],
    ["COPY */*/z /t", ["= z"]],
    ["COPY .* /t/", [".dot"]],
    ["COPY a[[]1] /t/", ["a[1]"]],
    ["COPY a\\\\[1] /t/", ["a[1]"]],
    ['COPY ["two words", "/t/"]', ["two words"]],
    // The link itself, and not what it leads to.
    ["COPY link /t", ["= link"]],
    ["COPY link /t/", ["link"]],
  ];
  for (const [line, members] of table) {
    if (members.length === 0 && line.includes("*"))
      assert.equal(problemsIn(() => membersOf(line)).length, 1, line);
    else assert.deepEqual(membersOf(line), members, line);
  }
  assert.ok(membersOf("COPY . /t").includes("dir/sub/z"));
  assert.ok(!membersOf("COPY . /t").includes("out"));
  // A pattern's directories give their contents, dotfiles match, and nothing ignored is there.
  assert.ok(membersOf("COPY * /t/").includes(".dot") && membersOf("COPY * /t/").includes("sub/z"));
});

test("a later source takes the place of an earlier one's file", () => {
  const x = copyOf("COPY dir dir2 /t/", context).members.find(({ path }) => path === "x");
  assert.equal(x?.entry.path, "dir2/x");
});

test("modes are those of --chmod, but for links; names of one file are one", () => {
  const copy = copyOf("COPY --chmod=750 a.txt dir /t/", context);
  assert.deepEqual(
    copy.members.map(({ path, mode, linkTo }) => `${path} ${mode.toString(8)} ${linkTo ?? ""}`.trim()),
    [".y 750", "a.txt 750", "link 777", "same 750 a.txt", "sub 750", "sub/z 750", "x 750"],
  );
  assert.equal(copyOf("COPY dir /t", context).members.find(({ path }) => path === "same")?.linkTo, undefined);
});

test("a source that is not there is explained at its place", () => {
  const refused: readonly (readonly [string, string])[] = [
    ["COPY nothing /t", 'recipe:1:6: "nothing" is not in the context'],
    ["COPY a.txt dir/nothing /t/", 'recipe:1:12: "dir/nothing" is not in the context'],
    ["COPY no*thing /t", 'recipe:1:6: "no*thing" matches nothing in the context'],
    ["COPY [ /t", 'recipe:1:6: "[": unterminated bracket'],
    ["COPY link/x /t", 'recipe:1:6: "link/x" goes through the link "link", and links are not followed'],
    ["COPY out/secret /t", 'recipe:1:6: "out/secret" is excluded from the context by .dockerignore:2'],
    ["COPY *.txt /t", 'recipe:1:6: "*.txt" matches 2 files, and the target is not a directory'],
    ["COPY . dir /t/", ""],
    ["COPY a.txt/x /t", 'recipe:1:6: "a.txt/x" is not in the context'],
  ];
  for (const [line, problem] of refused)
    assert.deepEqual(
      problemsIn(() => copyOf(line, context, { ignore: { rules, file: ".dockerignore" } })),
      problem === "" ? [] : [problem],
      line,
    );
  assert.equal(problemsIn(() => copyOf("COPY a b c /t/", context)).length, 3);
});

test("a directory and a file of one name are refused", async () => {
  await using other = await ContextLab.open({ "one/x": "", "two/x/y": "" });
  const both = await readContext(other.root);
  assert.deepEqual(
    problemsIn(() => copyOf("COPY one two /t/", both)),
    ['recipe:1:10: "x" is a directory of one source and no directory of another'],
  );
});
