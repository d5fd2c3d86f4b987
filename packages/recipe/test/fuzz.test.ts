import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  IgnorePatternError,
  IgnoreRules,
  parseRecipe,
  parseRecipeLines,
  planRecipe,
  RecipeError,
} from "@wrenn/recipe";
import type { ParsedRecipe, RecipePosition } from "@wrenn/recipe";
import { stepKeys } from "@wrenn/recipe/keys";

/** Pieces that recipes are made of, and pieces that break them. */
const pieces = fc.oneof(
  fc.constantFrom(
    ..."RUN COPY ADD ENV ARG FROM LABEL USER WORKDIR CMD ENTRYPOINT SHELL EXPOSE STOPSIGNAL HEALTHCHECK START NONE".split(
      " ",
    ),
  ),
  fc.constantFrom(
    "run",
    "VOLUME",
    "ONBUILD",
    "AS",
    "minimal:v1",
    "a",
    "b=",
    "A",
    "B",
    "/x/",
    "..",
    "*",
    "80",
    "0",
  ),
  fc.constantFrom(
    "\n",
    "\n\n",
    "\r\n",
    " ",
    "\t",
    "\\\n",
    "\\",
    "`",
    "#",
    "# escape=`\n",
    "# syntax=x\n",
    "\0",
    "\uFEFF",
  ),
  fc.constantFrom(
    "<<EOF",
    "<<-E",
    "<<'E'",
    "EOF",
    "\nEOF\n",
    "\nE\n",
    "<<",
    '["',
    '", "',
    '"]',
    "[]",
    "[1]",
    "=",
    ",",
  ),
  fc.constantFrom(
    "$A",
    "${",
    "${A}",
    "${A:-",
    ":+",
    "}",
    "$$",
    "\\$",
    "$",
    "'",
    '"',
    "${A:?x}",
    "😀",
    "ä",
    "\uD800",
  ),
  fc.constantFrom(
    "--chown=",
    "--chmod=7",
    "--mount=type=secret,id=a",
    "--timeout=1s",
    "--interval=2s",
    "--",
    "--x",
    "1h",
  ),
  fc.string({ unit: "binary", maxLength: 5 }),
);
const text = fc.array(pieces, { maxLength: 40 }).map((all) => all.join(""));
const statement = fc
  .tuple(
    fc.constantFrom(
      "RUN",
      "COPY",
      "ENV",
      "LABEL",
      "ARG",
      "USER",
      "WORKDIR",
      "EXPOSE",
      "CMD",
      "HEALTHCHECK CMD",
    ),
    fc.array(pieces, { maxLength: 8 }),
  )
  .map(([keyword, all]) => `${keyword} ${all.join("")}`);
const statements = fc.array(statement, { maxLength: 6 }).map((all) => all.join("\n"));

/** Reads and plans; its own error is an answer like another. */
function attempt(read: () => ParsedRecipe, lines: readonly string[]): void {
  try {
    const recipe = read();
    for (const { range } of recipe.instructions) {
      requirePlace(range.start, lines);
      requirePlace(range.end, lines);
      assert.ok(range.start.line <= range.end.line);
    }
    const plan = planRecipe(recipe, { args: { A: "a", B: "" } });
    assert.deepEqual(planRecipe(recipe, { args: { A: "a", B: "" } }), plan);
    const sources = new Map(plan.steps.map(({ number }) => [number, "digest"]));
    assert.equal(stepKeys(plan, { base: "base", sources }).length, plan.steps.length);
  } catch (error) {
    if (!(error instanceof RecipeError)) throw error;
    assert.ok(error.problems.length > 0 && error.problems.length <= 20);
    for (const problem of error.problems) {
      requirePlace(problem, lines);
      assert.ok(problem.remedy !== "" && problem.message.length < 500 && !problem.message.includes("\n"));
    }
  }
}

/** A place is in the text, or right behind one of its lines. */
function requirePlace({ line, column }: RecipePosition, lines: readonly string[]): void {
  assert.ok(line >= 1 && line <= lines.length, `line ${line} of ${lines.length}`);
  const length = Array.from(lines[line - 1] ?? "").length;
  assert.ok(column >= 1 && column <= length + 1, `column ${column} of ${length} in line ${line}`);
}

test("any text is a recipe with a plan, or has problems at places in it", () => {
  fc.assert(
    fc.property(fc.oneof(text, statements), (written) => {
      attempt(() => parseRecipe(written), written.replace(/^\uFEFF/, "").split(/\r?\n/));
    }),
    { numRuns: 3000 },
  );
});

test("any lines are a recipe with a plan, or have problems at places in them", () => {
  fc.assert(
    fc.property(fc.array(fc.oneof(statement, text), { maxLength: 5 }), (lines) => {
      attempt(() => parseRecipeLines(lines), lines.length === 0 ? [""] : lines);
    }),
    { numRuns: 1000 },
  );
});

test("what was read is the same when it is read again from what it says was written", () => {
  fc.assert(
    fc.property(statements, (written) => {
      let recipe: ParsedRecipe;
      try {
        recipe = parseRecipe(written);
      } catch {
        return;
      }
      const again = parseRecipe(recipe.instructions.map((one) => one.written).join("\n"));
      assert.deepEqual(
        again.instructions.map(({ range: _range, ...one }) => one),
        recipe.instructions.map(({ range: _range, ...one }) => one),
      );
    }),
    { numRuns: 1000 },
  );
});

/** What a pattern means, as a regular expression; its time is not bounded, and it is short here. */
function expressionOf(pattern: string): RegExp {
  const parts = pattern.replaceAll(/\*\*\/?$|\*\*\/?|\*|\?|[^*?]/gu, (part, at: number) => {
    if (part === "*") return "[^/]*";
    if (part === "?") return "[^/]";
    if (!part.startsWith("**")) return part.replace(/[.+^$()|{}]/, "\\$&");
    return at + part.length === pattern.length ? ".*" : "(?:.*/)?";
  });
  return new RegExp(`^${parts}$`, "su");
}

test("patterns match as the regular expressions that Docker makes of them", () => {
  const name = fc.string({ unit: fc.constantFrom("a", "b", ".", "é"), minLength: 1, maxLength: 3 });
  const path = fc.array(name, { minLength: 1, maxLength: 4 }).map((names) => names.join("/"));
  const part = fc.oneof(name, fc.constantFrom("*", "**", "?", "a*", "*b", "*.?", "a?"));
  const pattern = fc.array(part, { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  fc.assert(
    fc.property(pattern, path, (written, one) => {
      // What is nothing but dots is made shorter first.
      fc.pre(!/(?:^|\/)\.+(?:\/|$)/.test(written));
      const parents = one.split("/").map((_, at, names) => names.slice(0, at + 1).join("/"));
      const expected = parents.some((parent) => expressionOf(written).test(parent));
      assert.equal(IgnoreRules.parse(written).ignores(one), expected, `${written} ${one}`);
    }),
    { numRuns: 3000 },
  );
});

test("any text is an ignore file, or has a line that is refused", () => {
  const ignoreText = fc
    .array(
      fc.oneof(
        fc.constantFrom("!", "*", "**", "/", "[", "]", "^", "-", "\\", "\n", "#", " ", "a", "\r"),
        fc.string({ unit: "binary", maxLength: 3 }),
      ),
      {
        maxLength: 20,
      },
    )
    .map((all) => all.join(""));
  fc.assert(
    fc.property(ignoreText, fc.string({ maxLength: 20 }), (written, path) => {
      try {
        const rules = IgnoreRules.parse(written);
        assert.equal(rules.ignoringLine(path) !== undefined, rules.ignores(path));
      } catch (error) {
        assert.ok(error instanceof IgnorePatternError, String(error));
        assert.ok(error.line >= 1 && error.line <= written.split("\n").length);
      }
    }),
    { numRuns: 2000 },
  );
});

test("hostile texts of a MiB take a moment, not minutes", () => {
  const size = 1024 * 1024 - 100;
  const full = (piece: string): string => piece.repeat(Math.floor(size / piece.length));
  const hostile: readonly string[] = [
    full("\\"),
    full("\\\n"),
    full("# x\n"),
    full("\n"),
    full("#"),
    `# escape=${full(" ")}x`,
    `RUN ${full("a \\\n")}`,
    `RUN ${full("<<E ")}`,
    `RUN <<E\n${full("x\n")}`,
    `RUN ${full("--mount=type=cache,target=/x ")}y`,
    `RUN --mount=${full("a=b,")} y`,
    `RUN --timeout=${full("1s")} x`,
    `RUN [${full('"a",')}"a"]`,
    `RUN ${full("[")}`,
    `ENV A=${full("${A:-")}`,
    `ENV A=${full("${A:-b}")}`,
    `ENV A=${full("$A")}`,
    `ENV A=${full("'a'")}`,
    `ENV A=${full('"')}`,
    `ENV ${full("A=1 ")}`,
    `ENV ${full("\uD83D\uDE00=1 ")}`,
    `ENV ${full("A=1 \\\n")}`,
    `COPY ${full("a ")}/x/`,
    `COPY ${full("../")} x`,
    `EXPOSE ${full("1 ")}`,
    `WORKDIR ${full("a/../")}`,
    `LABEL ${full("a")}`,
    full("RUN <<A\nA\n"),
    full("X\n"),
  ];
  for (const written of hostile) {
    const before = process.cpuUsage();
    try {
      planRecipe(parseRecipe(written));
    } catch (error) {
      if (!(error instanceof RecipeError)) throw error;
    }
    // Of the processor: the machine may have other work.
    const took = process.cpuUsage(before).user / 1000;
    assert.ok(took < 3000, `${written.slice(0, 20)}… took ${took} ms`);
  }
});
