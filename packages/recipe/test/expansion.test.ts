import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRecipe, planRecipe } from "@wrenn/recipe";
import { problemsIn } from "./support/problems.ts";

/** What a value of ENV becomes where A is `a`, EMPTY is empty, and B is not set. */
function valueOf(written: string, escape = "\\"): string | undefined {
  const recipe = parseRecipe(`# escape=${escape}\nENV A=a EMPTY= P=/x:/y\nENV V=${written}`);
  return planRecipe(recipe).config.env["V"];
}

const cases: readonly (readonly [written: string, value: string])[] = [
  ["", ""],
  ["a", "a"],
  // Variables
  ["$A", "a"],
  ["${A}", "a"],
  ["$B", ""],
  ["${B}", ""],
  ["x$A", "xa"],
  ["$A.b", "a.b"],
  ["$Ab", ""],
  ["${A}b", "ab"],
  ["$A$A", "aa"],
  ["$PATH$P", "/x:/y"],
  ["$", "$"],
  ["a$", "a$"],
  ["$.", "$."],
  ["$/$A", "$/a"],
  ["$1$12a", "a"],
  ["$@$*$#$?$!$-", ""],
  // A dollar sign
  ["$$", "$"],
  ["$$A", "$A"],
  ["$$$A", "$a"],
  ["$$$$", "$$"],
  ["\\$A", "$A"],
  ["\\\\$A", "\\a"],
  ["\\\\\\$A", "\\$A"],
  ["\\${A}", "${A}"],
  // Defaults and alternatives
  ["${B:-d}", "d"],
  ["${A:-d}", "a"],
  ["${EMPTY:-d}", "d"],
  ["${EMPTY-d}", ""],
  ["${B-d}", "d"],
  ["${A:+alt}", "alt"],
  ["${B:+alt}", ""],
  ["${EMPTY:+alt}", ""],
  ["${EMPTY+alt}", "alt"],
  ["${B+alt}", ""],
  ["${A:?no}", "a"],
  ["${EMPTY?no}", ""],
  ["${B:-}", ""],
  ["${B:-$A}", "a"],
  ["${B:-${A}x}", "ax"],
  ["${B:-${C:-${D:-deep}}}", "deep"],
  ["${B:-\\}}", "}"],
  ["${B:-'}'}", "}"],
  ['${B:-"x y"}', "x y"],
  ["${B:-a:-b}", "a:-b"],
  ["x${B:-/}y", "x/y"],
  // Quotes
  ["'$A'", "$A"],
  ['"$A"', "a"],
  ["'a b'", "a b"],
  ['"a b"', "a b"],
  ["a'b'\"c\"d", "abcd"],
  ["'\"'", '"'],
  ['"\'"', "'"],
  ["'\\$A'", "\\$A"],
  ['"\\$A"', "$A"],
  ['"\\""', '"'],
  ['"\\\\"', "\\"],
  ['"\\a"', "\\a"],
  ['"$$A"', "$A"],
  ['"${B:-"x"}"', "x"],
  ["''", ""],
  ['""', ""],
  // Escapes
  ["a\\ b", "a b"],
  ["\\a", "a"],
  ["\\'", "'"],
  ['\\"', '"'],
  ["\\😀", "😀"],
  ["a\\\\", "a\\"],
];

test("values are expanded as in Docker, and a doubled dollar sign is one", () => {
  for (const [written, value] of cases) assert.equal(valueOf(written), value, written);
});

test("the directive escape holds in values", () => {
  assert.equal(valueOf("`$A\\$A", "`"), "$A\\a");
  assert.equal(valueOf('"``$A"', "`"), "`a");
});

test("a value that cannot be expanded is refused at the place in it", () => {
  const refused: readonly (readonly [string, string])[] = [
    ["ENV V=x${A", "recipe:1:8: unterminated ${A"],
    ["ENV V=x${", "recipe:1:8: ${ without the name of a variable"],
    ["ENV V=${}", "recipe:1:7: ${ without the name of a variable"],
    ["ENV V=${:-x}", "recipe:1:7: ${ without the name of a variable"],
    ["ENV V=${1}", "recipe:1:7: ${ without the name of a variable"],
    ["ENV V=${A#x}", 'recipe:1:7: "${A#" is not a substitution of recipes'],
    ["ENV V=${A:x}", 'recipe:1:7: "${A:x" is not a substitution of recipes'],
    ["ENV V=${A/x/y}", 'recipe:1:7: "${A/" is not a substitution of recipes'],
    ["ENV V=${A:-x", "recipe:1:7: unterminated ${A"],
    ["ENV V=${A:-${B}", "recipe:1:7: unterminated ${A"],
    ["ENV V=${A:?}", "recipe:1:7: A is not set"],
    ["ENV V=${A:?set it}", 'recipe:1:16: "it}" is not NAME=VALUE'],
    ["ENV V='a", "recipe:1:7: unterminated single quote"],
    ['ENV V=b"a', "recipe:1:8: unterminated double quote"],
    ["ENV \\\n  V=\\\n${A", "recipe:3:1: unterminated ${A"],
    ["COPY <<E /x\na\n b ${A-\nE", "recipe:3:4: unterminated ${A"],
    ["COPY <<-E /x\n\t\t${A+\nE", "recipe:2:3: unterminated ${A"],
    [`ENV V=${"${A:-".repeat(40)}`, "recipe:1:167: substitutions are nested deeper than 32"],
  ];
  for (const [text, problem] of refused)
    assert.deepEqual(
      problemsIn(() => planRecipe(parseRecipe(text))),
      [problem],
      text,
    );
});

test("heredocs expand variables and keep quotes, unless their name is quoted", () => {
  const contentsOf = (text: string): readonly string[] =>
    planRecipe(parseRecipe(`ENV A=a\nCOPY ${text}`)).steps.flatMap(({ action }) =>
      action.type === "copy" ? action.files.map(({ content }) => content) : [],
    );
  assert.deepEqual(contentsOf("<<E /x\n'$A' \"$A\" \\$A \\n \\\\ $$ ${B:-'d'}\nE"), [
    "'a' \"a\" $A \\n \\ $ 'd'\n",
  ]);
  assert.deepEqual(contentsOf("<<'E' /x\n$A \\$A\nE"), ["$A \\$A\n"]);
});

test("values cannot grow without end", () => {
  const doubled = ["ENV A=xxxxxxxx", ...Array.from({ length: 30 }, () => "ENV A=$A$A")].join("\n");
  assert.deepEqual(
    problemsIn(() => planRecipe(parseRecipe(doubled)))[0],
    "recipe:16:11: the value exceeds 131072 characters",
  );
  const long = "x".repeat(100_000);
  const many = Array.from({ length: 10 }, (_, at) => `ENV V${at}=${long}`).join("\n");
  assert.deepEqual(
    problemsIn(() => planRecipe(parseRecipe(`${many}\nENV W=$V0`))),
    ["recipe:11:5: the environment exceeds 1048576 characters"],
  );
});
