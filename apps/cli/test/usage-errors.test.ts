import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { test } from "node:test";
import { parseWords } from "@wrenn/client";
import type { Terminal } from "@wrenn/client";
import { leavesOf } from "@wrenn/client/testing";
import type { Argument, Command, Option } from "commander";
import { createProgram } from "../src/program.ts";

/* Wrong command lines of every command. None of them runs. */

const root = join(import.meta.dirname, "../../..");
/** A value that no parser takes, except for texts. */
const UNFIT = "~";
const USAGE = 2;

interface Refused {
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

async function refused(words: readonly string[]): Promise<Refused> {
  const written = { stdout: "", stderr: "" };
  const streamOf = (name: keyof typeof written) => ({
    write: (text: string) => {
      written[name] += text;
      return true;
    },
  });
  const streams = { env: {}, stdout: streamOf("stdout"), stderr: streamOf("stderr") };
  const code = await parseWords(createProgram(), streams as unknown as Terminal, words);
  return { code, ...written };
}

/** @returns message and remedy. */
function documentOf({ code, stdout, stderr }: Refused, about: string): readonly [string, string] {
  assert.deepEqual([code, stderr], [USAGE, ""], about);
  const { error, ...others } = JSON.parse(stdout) as { error: Readonly<Record<string, string>> };
  assert.deepEqual([Object.keys(others), Object.keys(error)], [[], ["code", "message", "remedy"]], about);
  assert.equal(error["code"], "usage", about);
  return [error["message"] ?? "", error["remedy"] ?? ""];
}

/** @returns message and remedy. */
function linesOf({ code, stdout, stderr }: Refused, about: string): readonly [string, string] {
  assert.deepEqual([code, stdout], [USAGE, ""], about);
  const [, message = "", remedy = ""] =
    /^wrenn: (.+)\n {7}(.+)\n$/.exec(stderr) ?? assert.fail(`${about}: ${stderr}`);
  return [message, remedy];
}

interface Wrong {
  readonly words: readonly string[];
  readonly message: RegExp;
  readonly remedy: RegExp;
}

const throws = ({ parseArg }: Pick<Option | Argument, "parseArg">): boolean => {
  if (!parseArg) return false;
  try {
    parseArg(UNFIT, undefined);
    return false;
  } catch {
    return true;
  }
};

function* wrongLines(command: Command): Generator<Wrong> {
  const { options, registeredArguments: taken } = command;
  const names = new Set(options.map(({ long }) => long));
  yield {
    words: ["--nope-nope"],
    message: /^unknown option '--nope-nope'$/,
    remedy: /^See `wrenn .* --help`\.$/,
  };
  for (const option of options) {
    const long = option.long ?? assert.fail(option.flags);
    const mistyped = `${long.slice(0, 3)}${long.slice(4)}`;
    if (!names.has(mistyped) && mistyped.length > 3)
      yield {
        words: [mistyped],
        message: new RegExp(`^unknown option '${mistyped}'$`),
        remedy: /^Did you mean '--[\w-]+'\?$/,
      };
    if (option.required) yield { words: [long], message: /argument missing$/, remedy: /--help/ };
    if (throws(option)) yield { words: [long, UNFIT], message: /argument '~' is invalid$/, remedy: /^[A-Z]/ };
  }
  if (taken.some(({ required }) => required))
    yield { words: [], message: /^missing required argument '/, remedy: /^Usage: wrenn .*</ };
  for (const [at, argument] of taken.entries())
    if (throws(argument))
      yield {
        words: taken.map((one, place) => (place === at ? UNFIT : fitOf(one))),
        message: /'~' is invalid/,
        remedy: /^[A-Z]/,
      };
  if (taken.at(-1)?.variadic !== true)
    yield { words: [...taken.map(fitOf), "more"], message: /^too many arguments/, remedy: /^Usage: wrenn / };
}

/** A value that the argument takes. */
function fitOf(argument: Argument): string {
  return throws(argument) ? "80" : "x";
}

test("every command refuses options and arguments that are unknown, missing or unfit, with what to do", async () => {
  let lines = 0;
  for (const { words: verb, command } of leavesOf(createProgram())) {
    const json = command.options.find(({ long }) => long === "--json");
    for (const { words, message, remedy } of wrongLines(command)) {
      const line = [...verb.split(" "), ...words];
      const [said, advice] = linesOf(await refused(line), line.join(" "));
      assert.match(said, message, line.join(" "));
      assert.match(advice, remedy, line.join(" "));
      lines++;
      // `bench --json FILE` is another option.
      if (json?.required === true) continue;
      const asked = await refused([...verb.split(" "), "--json", ...words]);
      const document = documentOf(asked, line.join(" "));
      if (json) assert.deepEqual(document, [said, advice]);
    }
  }
  assert.ok(lines > 300, `${lines}`);
});

test("exec, run and shell refuse what is missing or misplaced before the program", async () => {
  for (const [words, message] of [
    [["exec", "web"], /^missing required argument 'command'$/],
    [["exec", "web", "--nope", "ls"], /^unknown option '--nope'$/],
    [["shell", "web", "top"], /^put -- before the program: shell web -- top$/],
  ] as const)
    assert.match(linesOf(await refused(words), words.join(" "))[0], message);
  const [, remedy] = linesOf(await refused(["exec", "web", "--detatch", "ls"]), "exec");
  assert.equal(remedy, "Did you mean '--detach'?");
});

test("an option of the program in a capsule is not ours", async () => {
  linesOf(await refused(["run", "--nope", "--", "jq", "--json"]), "run");
});

test("a mistyped command gets the near one, and a missing one the help or the document", async () => {
  for (const [words, message, near] of [
    [["craete"], "unknown command 'craete'", "create"],
    [["template", "inspcet", "x"], "unknown command 'inspcet'", "inspect"],
    [["host", "jion"], "unknown command 'jion'", "join"],
  ] as const) {
    const expected = [message, `Did you mean '${near}'?`];
    assert.deepEqual(linesOf(await refused(words), near), expected);
    assert.deepEqual(documentOf(await refused([...words, "--json"]), near), expected);
  }
  const groups = createProgram().commands.filter(({ commands }) => commands.length > 0);
  assert.ok(groups.length >= 8);
  for (const name of ["", ...groups.map((group) => group.name())]) {
    const words = name === "" ? [] : [name];
    const { code, stdout, stderr } = await refused(words);
    assert.deepEqual([code, stdout], [USAGE, ""], name);
    assert.match(stderr, /^Usage: wrenn /, name);
    const path = ["wrenn", ...words].join(" ");
    assert.deepEqual(documentOf(await refused([...words, "--json"]), name), [
      `a command is missing behind '${path}'`,
      `See \`${path} --help\`.`,
    ]);
  }
});

test("the program of a checkout and that of client machines end so as processes", () => {
  const client = [process.execPath, join(root, "apps/client/src/bin.ts")] as const;
  for (const [program, ...before] of [[join(root, "wrenn")], client] as const) {
    const run = (...words: readonly string[]): Refused => {
      const { status, stdout, stderr } = spawnSync(program, [...before, ...words], { encoding: "utf8" });
      return { code: status ?? undefined, stdout, stderr };
    };
    assert.deepEqual(linesOf(run("update", "web", "--idle-timout", "1h"), program), [
      "unknown option '--idle-timout'",
      "Did you mean '--idle-timeout'?",
    ]);
    assert.deepEqual(documentOf(run("create", "--vcpus", "x", "--json"), program), [
      "option '--vcpus <count>' argument 'x' is invalid",
      "A whole number above 0 is needed.",
    ]);
    const { code, stdout, stderr } = run("create", "--help");
    assert.deepEqual([code, stderr], [0, ""]);
    assert.match(stdout, /^Usage: wrenn create /);
  }
});
