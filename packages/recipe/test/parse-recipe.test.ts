import assert from "node:assert/strict";
import { test } from "node:test";
import { formatProblem, parseRecipe, RecipeError } from "@wrenn/recipe";
import type { RecipeInstruction } from "@wrenn/recipe";
import { problemsOf } from "./support/problems.ts";

/** The one instruction of a text, of a known kind. */
function only<K extends RecipeInstruction["kind"]>(
  kind: K,
  text: string,
): Extract<RecipeInstruction, { kind: K }> {
  const [instruction, ...others] = parseRecipe(text).instructions;
  assert.ok(instruction !== undefined && others.length === 0, text);
  assert.equal(instruction.kind, kind);
  return instruction as Extract<RecipeInstruction, { kind: K }>;
}

const shellOf = (text: string): unknown => only("RUN", text).command;

test("comments, empty lines and continued lines are as in Docker", () => {
  const text = [
    "# a comment",
    "",
    "  run one \\",
    "  # a comment inside",
    "",
    "    two \\  ",
    "    # another",
    "    three # four",
    "\tRUN \\",
    "  five\\\\",
    "Run six",
  ].join("\n");
  const { instructions } = parseRecipe(text);
  assert.deepEqual(
    instructions.map((one) => one.kind === "RUN" && one.command),
    [
      { form: "shell", text: "one     two     three # four" },
      { form: "shell", text: "five\\\\" },
      { form: "shell", text: "six" },
    ],
  );
  assert.deepEqual(
    instructions.map(({ range }) => range),
    [
      { start: { line: 3, column: 3 }, end: { line: 8, column: 17 } },
      { start: { line: 9, column: 2 }, end: { line: 10, column: 9 } },
      { start: { line: 11, column: 1 }, end: { line: 11, column: 8 } },
    ],
  );
  assert.equal(instructions[1]?.written, "\tRUN \\\n  five\\\\");
});

test("a recipe may end in a continued line, and lines may end with CR LF after a byte order mark", () => {
  assert.deepEqual(shellOf("RUN a \\"), { form: "shell", text: "a" });
  assert.deepEqual(shellOf("\uFEFFRUN a \\\r\n  b\r\n"), { form: "shell", text: "a   b" });
  assert.deepEqual(shellOf("RUN <<E\r\na\r\nE\r\n"), { form: "shell", text: "a\n" });
});

test("directives stand at the top, and escape changes what continues a line", () => {
  assert.deepEqual(shellOf("# syntax=docker/dockerfile:1\n# escape = `\nRUN a `\n \\b\\"), {
    form: "shell",
    text: "a  \\b\\",
  });
  // Behind a comment it is one.
  assert.deepEqual(shellOf("# comment\n# escape=`\nRUN a \\\nb"), { form: "shell", text: "a b" });
  assert.equal(parseRecipe("#escape=`\nENV A=b").escape, "`");
  assert.deepEqual(problemsOf("# escape=x\n#syntax=other/frontend\nRUN a"), [
    'recipe:1:1: "x" is not an escape character',
    'recipe:2:1: the syntax "other/frontend" is not supported in recipes',
  ]);
});

test("RUN takes a shell's text, a JSON array or heredocs", () => {
  assert.deepEqual(shellOf('RUN ["a", "b c"]'), { form: "exec", argv: ["a", "b c"] });
  assert.deepEqual(shellOf("RUN [ -e /x ] && echo"), { form: "shell", text: "[ -e /x ] && echo" });
  assert.deepEqual(shellOf('RUN ["a", 1]'), { form: "shell", text: '["a", 1]' });
  assert.deepEqual(shellOf("RUN <<EOF\necho $A\n# kept\n\nEOF"), {
    form: "shell",
    text: "echo $A\n# kept\n\n",
  });
  assert.deepEqual(shellOf("RUN <<'E F'\na\nE F"), { form: "shell", text: "a\n" });
  assert.deepEqual(shellOf("RUN <<-EOF\n\t\ta\n\tEOF"), { form: "shell", text: "a\n" });
  assert.deepEqual(shellOf("RUN <<EOF\n#!/usr/bin/python3\nprint(1)\nEOF"), {
    form: "script",
    text: "#!/usr/bin/python3\nprint(1)\n",
  });
  assert.deepEqual(shellOf('RUN cat <<A <<-"B" > x\n1\nA\n\t2\n\tB\n'), {
    form: "shell",
    text: 'cat <<A <<-"B" > x\n1\nA\n\t2\nB',
  });
});

test("what only looks like a heredoc is a part of the command", () => {
  for (const command of ["echo $((1<<2))", "cat <<<word", 'echo "<<EOF"', "echo '<<EOF'", "a << b", "x<<EOF"])
    assert.deepEqual(shellOf(`RUN ${command}`), { form: "shell", text: command });
  assert.equal(parseRecipe("ENV A=<<EOF\nRUN x").instructions.length, 2);
});

test("a heredoc has its place and its end", () => {
  const [first, second] = parseRecipe("RUN <<EOF\n  a\nEOF\nUSER b").instructions;
  assert.deepEqual(first?.range, { start: { line: 1, column: 1 }, end: { line: 3, column: 4 } });
  assert.equal(first?.written, "RUN <<EOF\n  a\nEOF");
  assert.deepEqual(second?.range.start, { line: 4, column: 1 });
  assert.deepEqual(problemsOf("RUN a\nRUN cat <<EOF\n EOF\n"), ['recipe:2:9: unterminated heredoc "EOF"']);
  assert.deepEqual(problemsOf("RUN <<EOF\n \nEOF"), ["recipe:1:5: the heredoc of RUN is empty"]);
});

test("flags of RUN are its timeout, secrets, caches and files of the context", () => {
  const { timeoutMs, mounts } = only(
    "RUN",
    [
      "RUN --timeout=1m30.5s --mount=type=secret,id=token --mount=type=secret,id=key,dst=/k,required \\",
      "  --mount=type=secret,id=pw,env=PASSWORD --mount=type=cache,target=/var/cache/apt,sharing=locked \\",
      "  --mount=type=cache,id=npm,target=/root/.npm --mount=type=bind,src=./a/../b,dst=/b,ro make",
    ].join("\n"),
  );
  assert.equal(timeoutMs, 90_500);
  assert.deepEqual(mounts, [
    { type: "secret", id: "token", target: "/run/secrets/token", env: undefined, required: false },
    { type: "secret", id: "key", target: "/k", env: undefined, required: true },
    { type: "secret", id: "pw", target: undefined, env: "PASSWORD", required: false },
    { type: "cache", id: "/var/cache/apt", target: "/var/cache/apt" },
    { type: "cache", id: "npm", target: "/root/.npm" },
    { type: "bind", source: "b", position: { line: 3, column: 69 }, target: "/b" },
  ]);
  // `--` ends them, and a command's own flags are no flags of RUN.
  assert.deepEqual(shellOf("RUN -- --x"), { form: "shell", text: "--x" });
  assert.deepEqual(shellOf("RUN x --y"), { form: "shell", text: "x --y" });
});

test("COPY and ADD have words, JSON arrays, flags and heredocs", () => {
  const plain = only("COPY", "COPY --chown=a:b --chmod=644 x* y/ /z/");
  assert.deepEqual(
    [...plain.sources, plain.target, plain.chown, plain.chmod].map((one) => one?.text),
    ["x*", "y/", "/z/", "a:b", "644"],
  );
  const listed = only("ADD", 'ADD ["a b", "c d/"]');
  assert.deepEqual([listed.sources[0]?.text, listed.target.text], ["a b", "c d/"]);
  const inline = only("COPY", 'COPY <<one <<-"two" x /z/\n1 $A\none\n\t2 $A\n\ttwo');
  assert.deepEqual(
    inline.files.map(({ name, expands, content }) => [name, expands, content.text]),
    [
      ["one", true, "1 $A\n"],
      ["two", false, "2 $A\n"],
    ],
  );
  assert.deepEqual(
    inline.sources.map(({ text }) => text),
    ["x"],
  );
});

test("ENV, LABEL and ARG have any number of pairs, and ENV its old form", () => {
  const pairsOf = (text: string): unknown => {
    const [one] = parseRecipe(text).instructions;
    assert.ok(one?.kind === "ENV" || one?.kind === "LABEL" || one?.kind === "ARG");
    return one.pairs.map(({ name, value }) => [name.text, value?.text]);
  };
  assert.deepEqual(pairsOf('ENV A=1 B="x y" C=a\\ b D='), [
    ["A", "1"],
    ["B", '"x y"'],
    ["C", "a\\ b"],
    ["D", ""],
  ]);
  assert.deepEqual(pairsOf("ENV A  x y = z"), [["A", "x y = z"]]);
  assert.deepEqual(pairsOf("LABEL a.b=1 \\\n  c='d e'"), [
    ["a.b", "1"],
    ["c", "'d e'"],
  ]);
  assert.deepEqual(pairsOf("ARG A B=2 C"), [
    ["A", undefined],
    ["B", "2"],
    ["C", undefined],
  ]);
});

test("HEALTHCHECK has flags and an overall deadline, the given one or one that follows from the others", () => {
  const checkOf = (flags: string): unknown => {
    const { check } = only("HEALTHCHECK", `HEALTHCHECK ${flags} CMD curl x`);
    assert.ok(check !== "none");
    const { intervalMs, timeoutMs, startPeriodMs, retries, deadlineMs } = check;
    return [intervalMs, timeoutMs, startPeriodMs, retries, deadlineMs];
  };
  assert.deepEqual(checkOf(""), [3000, 10_000, 0, 0, 300_000]);
  assert.deepEqual(checkOf("--interval=5s --start-period=1m --retries=5"), [5000, 10_000, 60_000, 5, 90_000]);
  assert.deepEqual(checkOf("--timeout=500ms --deadline=20s"), [3000, 500, 0, 0, 20_000]);
  assert.equal(only("HEALTHCHECK", "HEALTHCHECK none").check, "none");
});

test("every problem has its position", () => {
  const refused: readonly (readonly [string, string])[] = [
    ["", "recipe:1:1: the recipe has no instructions"],
    ["# a\n\n", "recipe:1:1: the recipe has no instructions"],
    ["RUN", "recipe:1:4: RUN requires arguments"],
    ["  FOO bar", 'recipe:1:3: unknown instruction "FOO"'],
    ["RUN a\n\nCOYP a b", 'recipe:3:1: unknown instruction "COYP"'],
    ["ÄÖ x", 'recipe:1:1: unknown instruction "ÄÖ"'],
    ["VOLUME /x", "recipe:1:1: VOLUME is not supported in recipes"],
    ["ONBUILD RUN x", "recipe:1:1: ONBUILD is not supported in recipes"],
    ["MAINTAINER me", "recipe:1:1: MAINTAINER is not supported in recipes"],
    ["FROM a\nFROM b", "recipe:2:1: multi-stage recipes are not supported: this is the second FROM"],
    ["RUN x\nFROM b", "recipe:2:1: FROM is not the first instruction"],
    ["FROM --platform=x a", "recipe:1:6: FROM --platform is not supported in recipes"],
    ["FROM a b", "recipe:1:8: FROM has too many arguments"],
    ["COPY --from=x a b", "recipe:1:6: COPY --from is not supported in recipes"],
    ["COPY --link a b", "recipe:1:6: COPY --link is not supported in recipes"],
    ["COPY --chwon=a a b", "recipe:1:6: COPY has no flag --chwon"],
    ["COPY --chown=a --chown=b a b", "recipe:1:16: --chown is specified twice"],
    ["COPY --chown a b", "recipe:1:6: --chown has no value"],
    ["COPY a", "recipe:1:6: COPY needs a source and a target"],
    ["COPY x <<E\nE", "recipe:1:8: COPY has no target"],
    ["ADD https://x.y/z /z", "recipe:1:5: ADD of remote sources is not supported in recipes"],
    ["ADD git@x.y:z /z", "recipe:1:5: ADD of remote sources is not supported in recipes"],
    ["RUN --network=none x", "recipe:1:5: RUN --network is not supported in recipes"],
    ["RUN --timeout=5 x", 'recipe:1:15: "5" is not a duration'],
    ["RUN --timeout=0 x", "recipe:1:15: the timeout must be at least 1 ms"],
    ["RUN --timeout=999h x", "recipe:1:15: 999h is longer than 168h"],
    ["RUN --mount=type=ssh x", 'recipe:1:18: mounts of type "ssh" are not supported in recipes'],
    ["RUN --mount=type=bind,source=x x", "recipe:1:13: the mount has no target"],
    ["RUN --mount=type=bind,source=../x,target=/x x", 'recipe:1:30: "../x" is outside the context'],
    ["RUN --mount=type=bind,target=/x,from=y x", 'recipe:1:38: mounts of type bind have no field "from"'],
    ["RUN --mount=type=bind,target=/x,ro=false x", "recipe:1:36: mounts of type bind are read-only"],
    [
      "RUN --mount=type=bind,target=/x --mount=type=bind,target=/y x",
      "recipe:1:41: a step has at most one mount of type bind",
    ],
    ["RUN --mount=id=x x", "recipe:1:13: the mount has no type"],
    ["RUN --mount=type=secret x", "recipe:1:13: the secret has no id"],
    ["RUN --mount=type=secret,id=a/b x", 'recipe:1:28: "a/b" is not the name of a secret'],
    ["RUN --mount=type=secret,id=a,uid=3 x", 'recipe:1:34: mounts of type secret have no field "uid"'],
    ["RUN --mount=type=cache x", "recipe:1:13: the cache has no target"],
    ["RUN --mount=type=cache,target=x x", 'recipe:1:31: "x" is not an absolute path'],
    ["RUN --=x y", 'recipe:1:5: "--=x" is not a flag'],
    ["RUN []", "recipe:1:5: RUN names no program"],
    ['ENTRYPOINT [""]', "recipe:1:12: ENTRYPOINT names no program"],
    ["ENV 1A=b", 'recipe:1:5: "1A" is not the name of a variable'],
    ["ENV A", 'recipe:1:5: ENV "A" has no value'],
    ["ENV A=b C", 'recipe:1:9: "C" is not NAME=VALUE'],
    ["ENV A=b \\\n  =c", "recipe:2:3: missing name before the equals sign"],
    ["ARG a-b", 'recipe:1:5: "a-b" is not the name of a variable'],
    ["SHELL /bin/sh", "recipe:1:7: SHELL needs a JSON array of words"],
    ["STOPSIGNAL A B", 'recipe:1:14: STOPSIGNAL has one argument, and "B" is another'],
    ["HEALTHCHECK curl x", "recipe:1:13: HEALTHCHECK needs CMD and a command, or NONE"],
    ["HEALTHCHECK NONE x", "recipe:1:18: HEALTHCHECK NONE has no arguments"],
    ["HEALTHCHECK --retries=-1 CMD x", 'recipe:1:23: "-1" is not a number of retries'],
    ["HEALTHCHECK --interval=0 CMD x", "recipe:1:24: --interval is shorter than 1 ms"],
    [
      "HEALTHCHECK --start-interval=1s CMD x",
      "recipe:1:13: HEALTHCHECK --start-interval is not supported in recipes",
    ],
    ["RUN a\0b", "recipe:1:6: the command has a null character"],
    ["RUN 😀 \\\n 😀 --x\nUSER", "recipe:3:5: USER requires arguments"],
  ];
  for (const [text, problem] of refused) assert.equal(problemsOf(text)[0], problem, JSON.stringify(text));
});

test("columns count characters, also behind characters of two units", () => {
  assert.deepEqual(problemsOf("ENV A=😀😀 B"), ['recipe:1:10: "B" is not NAME=VALUE']);
});

test("all problems are reported at once, at most twenty", () => {
  const text = Array.from({ length: 30 }, (_, at) => `X${at}`).join("\n");
  const problems = problemsOf(text, { file: "Dockerfile" });
  assert.equal(problems.length, 20);
  assert.equal(problems[19], 'Dockerfile:20:1: unknown instruction "X19"');
  assert.throws(
    () => parseRecipe("RUNN x"),
    (error) =>
      error instanceof RecipeError &&
      error.message === 'recipe:1:1: unknown instruction "RUNN"' &&
      error.problems[0]?.remedy === "Did you mean RUN?" &&
      error.problems.map(formatProblem).join() === error.message,
  );
});

test("a recipe has limits", () => {
  assert.deepEqual(problemsOf("#".repeat(1024 * 1024 + 1)), [
    "recipe:1:1: the recipe is longer than 1048576 characters",
  ]);
  assert.deepEqual(problemsOf("RUN x\n".repeat(1001)), [
    "recipe:1001:1: the recipe has more than 1000 instructions",
  ]);
});
