import assert from "node:assert/strict";
import { test } from "node:test";
import { IgnorePatternError, IgnoreRules } from "@wrenn/recipe";

/** Lines of an ignore file, paths that it ignores, and paths that it does not. */
type Case = readonly [rules: string, ignored: readonly string[], kept: readonly string[]];

const groups: Readonly<Record<string, readonly Case[]>> = {
  "names and paths": [
    ["a", ["a", "a/b", "a/b/c"], ["b", "b/a", "ab", "A"]],
    ["a/b", ["a/b", "a/b/c"], ["a", "b", "x/a/b", "a/bc"]],
    ["/a", ["a", "a/b"], ["x/a"]],
    ["a/", ["a", "a/b"], ["x/a"]],
    ["/a/b/", ["a/b", "a/b/c"], ["a"]],
    ["./a", ["a"], ["b"]],
    ["a//b", ["a/b"], ["a"]],
    ["a/./b", ["a/b"], ["a/c"]],
    ["a/../b", ["b"], ["a", "a/b"]],
    ["../a", [], ["a", "b"]],
    ["/../a", ["a"], ["b"]],
    [".", [], ["a", ".a"]],
    ["..", [], ["a", "..a"]],
    ["/", [], ["a", "a/b"]],
    [".git", [".git", ".git/HEAD"], ["git", "x/.git", ".gitignore"]],
    ["a.b", ["a.b"], ["axb", "a.b.c"]],
    ["a+(b)|{c}$", ["a+(b)|{c}$"], ["ab", "aab"]],
  ],
  "a star is any characters of a name": [
    ["*", ["a", ".a", "a/b"], []],
    ["*.md", ["README.md", ".md"], ["sub/a.md", "a.mdx"]],
    ["*/a", ["x/a", ".x/a", "x/a/b"], ["a", "x/y/a"]],
    ["*/*/a", ["x/y/a"], ["x/a", "x/y/z/a"]],
    ["a*", ["a", "ab", "a.b", "ab/c"], ["ba"]],
    ["a*b*c", ["abc", "axbxc", "abbc"], ["ab", "ac", "axb/c"]],
    ["*a*", ["a", "xax"], ["x/a"]],
    ["a/*", ["a/b", "a/b/c", "a/.b"], ["a", "b/a"]],
    ["a/*/c", ["a/b/c"], ["a/c", "a/b/b/c"]],
    ["a*/b", ["a/b", "ax/b"], ["a/x/b"]],
    ["**.md", ["a.md", "x/a.md", "x/y/.md"], ["a.mdx"]],
  ],
  "a question mark is one character of a name": [
    ["a?", ["ab", "a.", "aé"], ["a", "abc"]],
    ["?", ["a", "é", "😀", "a/b"], ["ab"]],
    ["a?b", ["axb"], ["a/b", "ab"]],
    ["*/temp?", ["x/temp1"], ["temp1", "x/y/temp1", "x/temp"]],
  ],
  "brackets are one of their characters": [
    ["a[bc]", ["ab", "ac"], ["a", "ad", "abc"]],
    ["[a-c]", ["a", "b", "c"], ["d", "-"]],
    ["[^a-c]", ["d", "-", "^"], ["a", "b"]],
    ["[a-cx-z]1", ["a1", "y1"], ["d1", "a"]],
    ["[!a]", ["!", "a"], ["b"]],
    ["a[*]", ["a*"], ["ab", "a"]],
    ["a[?]b", ["a?b"], ["axb"]],
    ["[\\]]", ["]"], ["\\", "["]],
    ["[\\-a]", ["-", "a"], ["b"]],
    ["[é-ë]", ["ê"], ["e"]],
    ["*.[ch]", ["a.c", "a.h"], ["a.o", "a.ch", "x/a.c"]],
  ],
  "a backslash takes a meaning away": [
    ["a\\*", ["a*"], ["ab", "a"]],
    ["a\\?", ["a?"], ["ab"]],
    ["\\[a]", ["[a]"], ["a"]],
    ["\\#a", ["#a"], ["a"]],
    ["\\!a", ["!a"], ["a"]],
    ["a\\b", ["ab"], ["a\\b"]],
    ["a\\\\b", ["a\\b"], ["ab"]],
  ],
  "two stars are any number of directories": [
    ["**", ["a", "a/b", ".a"], []],
    ["**/", ["a", "a/b"], []],
    ["**/a", ["a", "x/a", "x/y/a", "x/a/b"], ["ab", "xa", "x/xa"]],
    ["a/**", ["a/b", "a/b/c"], ["a", "b", "ab"]],
    ["a/**/b", ["a/b", "a/x/b", "a/x/y/b", "a/x/b/c"], ["a", "b", "ab", "a/xb", "xa/b"]],
    ["**/*.go", ["a.go", "x/a.go", "x/y/.go"], ["a.gox"]],
    ["a/**/*.js", ["a/x.js", "a/b/x.js", "a/b/c/x.js"], ["x.js", "a/x.ts"]],
    ["**/a/**", ["a/b", "x/a/b", "x/y/a/b/c"], ["a", "x/a", "b"]],
    ["**/a/b", ["a/b", "x/a/b"], ["a", "x/a/c"]],
    ["**/.*", [".a", "x/.a", ".a/b"], ["a", "x/a"]],
    ["**/a?", ["ab", "x/ab"], ["a", "x/abc"]],
    ["**a", ["a", "xa", "x/a", "x/ya"], ["b", "x/ab"]],
    ["a**", ["a", "ab", "a/b", "ab/c"], ["b", "x/a"]],
    ["a**/b", ["ab", "a/b", "ax/b", "a/x/b"], ["b", "a"]],
    ["**/**/a", ["a", "x/a", "x/y/a"], ["b"]],
    ["a/**/", ["a/b"], ["a"]],
    ["/**/a", ["a", "x/a"], ["b"]],
    ["**/[ab]/c", ["a/c", "x/b/c"], ["c", "x/c"]],
  ],
  "exceptions, of which the last one counts": [
    ["*\n!a", ["b", "b/a"], ["a", "a/b"]],
    ["!a\n*", ["a", "b"], []],
    ["*.md\n!README.md", ["a.md"], ["README.md", "a"]],
    ["*.md\n!README*.md\nREADME-secret.md", ["a.md", "README-secret.md"], ["README.md", "README-x.md"]],
    ["*.md\nREADME-secret.md\n!README*.md", ["a.md"], ["README-secret.md"]],
    ["a\n!a/b", ["a", "a/c"], ["a/b", "a/b/c"]],
    ["a/*\n!a/b", ["a/c", "a/c/d"], ["a", "a/b", "a/b/c"]],
    ["a\n!a/b\na/b/c", ["a/b/c", "a/x"], ["a/b", "a/b/d"]],
    ["**\n!**/*.go", ["a", "x/a"], ["a.go", "x/a.go"]],
    ["*\n!x\nx/y", ["a", "x/y"], ["x", "x/z"]],
    ["a\n!a\na", ["a", "a/b"], []],
    ["a\n! b\n!/a", [], ["a", "a/b"]],
    ["a\n!./a/", [], ["a"]],
    ["a\n!!a", ["a"], ["!a"]],
    ["*\n!**", [], ["a", "a/b"]],
    ["node_modules\n!node_modules/keep/**", ["node_modules/x", "node_modules/keep"], ["node_modules/keep/a"]],
    ["*\n!.", ["a"], []],
    ["!a", [], ["a", "b"]],
  ],
  "comments, blanks and line ends": [
    ["", [], ["a"]],
    ["# a", [], ["a", "# a"]],
    ["#a", [], ["#a"]],
    [" #a", ["#a"], ["a"]],
    ["a # b", ["a # b"], ["a"]],
    ["\n\n \t\na\n\n", ["a"], ["b"]],
    ["  a  ", ["a"], ["  a"]],
    ["\ta\t", ["a"], ["\ta"]],
    ["a b", ["a b"], ["a", "b"]],
    ["a\r\nb\r\n", ["a", "b"], ["a\r", "c"]],
    ["#c\r\n!x\r\na\r\n!a/b\r\n", ["a", "a/c"], ["a/b", "x"]],
    ["\uFEFFa", ["a"], ["\uFEFFa"]],
    ["\uFEFF# a\nb", ["b"], ["a"]],
    ["b\n\uFEFFa", ["b"], ["a"]],
    ["\u00a0a\u3000", ["a"], []],
    ["a", ["a"], []],
    ["*\r", ["a"], []],
  ],
};

for (const [title, cases] of Object.entries(groups))
  test(`ignore rules: ${title}`, () => {
    const wrong: string[] = [];
    for (const [rules, ignored, kept] of cases) {
      const parsed = IgnoreRules.parse(rules);
      for (const path of ignored)
        if (!parsed.ignores(path)) wrong.push(`${JSON.stringify(rules)} does not ignore ${path}`);
      for (const path of kept)
        if (parsed.ignores(path)) wrong.push(`${JSON.stringify(rules)} ignores ${path}`);
    }
    assert.deepEqual(wrong, []);
  });

test("the table of ignore rules has a hundred of them at least", () => {
  const cases = Object.values(groups).flat();
  assert.ok(cases.length >= 100, `${cases.length}`);
});

test("a pattern that cannot be understood is refused by its line", () => {
  for (const pattern of ["[", "[a", "a[]", "[^]", "[a-]", "[-a]", "a\\", "!", "! ", "x/[a-"])
    assert.throws(
      () => IgnoreRules.parse(`ok\n\n${pattern}\n`),
      (error) => error instanceof IgnorePatternError && error.line === 3,
      pattern,
    );
});

test("the line that ignores a path is known, and directories with exceptions below them are too", () => {
  const rules = IgnoreRules.parse("# first\na\nb/*\n!b/c\nd\n!d/e/f\n");
  assert.equal(rules.ignoringLine("a/x"), 2);
  assert.equal(rules.ignoringLine("b/x"), 3);
  assert.equal(rules.ignoringLine("b/c"), undefined);
  assert.deepEqual(
    ["a", "d", "d/e", "d/x"].map((path) => rules.mayExceptBelow(path)),
    [false, true, true, false],
  );
  assert.ok(IgnoreRules.parse("a\n!**/keep").mayExceptBelow("a"));
  assert.ok(IgnoreRules.parse("a\n!\\a/keep").mayExceptBelow("a"));
});

test("matching takes linear time, whatever the pattern", () => {
  const rules = IgnoreRules.parse(`${"**/a*".repeat(100)}b\n${"*a".repeat(500)}b`);
  const begin = performance.now();
  assert.ok(!rules.ignores("a".repeat(600)));
  assert.ok(!rules.ignores("a/".repeat(60) + "a"));
  assert.ok(performance.now() - begin < 3000);
});
