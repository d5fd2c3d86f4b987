import assert from "node:assert/strict";
import { test } from "node:test";
import { Command } from "commander";
import { programOptions, separatesProgram, takesProgram } from "../src/definitions/program-command.ts";

type Parsed = readonly [arguments: readonly unknown[], options: object];

function parse(build: (command: Command) => Command, ...words: readonly string[]): Parsed {
  const root = new Command("wrenn").enablePositionalOptions().exitOverride();
  let parsed: Parsed | undefined;
  const silent = { writeErr: () => undefined, writeOut: () => undefined };
  const command = root.command("verb").exitOverride().configureOutput(silent).option("-i, --interactive");
  build(programOptions(command)).action((...all: readonly unknown[]) => {
    parsed = [all.slice(0, -2), all.at(-2) as object];
  });
  root.parse(["verb", ...words], { from: "user" });
  return parsed ?? assert.fail("nothing ran");
}

const exec = (command: Command): Command =>
  takesProgram(command, 1, true).argument("<capsule>").argument("[command...]");
const run = (command: Command): Command => takesProgram(command, 0, true).argument("<command...>");
const shell = (command: Command): Command =>
  separatesProgram(command).argument("[capsule]").argument("[command...]");

test("options are read before the program, on both sides of the capsule, and never behind it", () => {
  const expected: Parsed = [["web", ["ls", "-i", "--", "-la"]], { interactive: true }];
  for (const words of [
    ["-i", "web", "ls", "-i", "--", "-la"],
    ["web", "-i", "ls", "-i", "--", "-la"],
    ["web", "-i", "--", "ls", "-i", "--", "-la"],
    ["-i", "web", "--", "ls", "-i", "--", "-la"],
  ])
    assert.deepEqual(parse(exec, ...words), expected, words.join(" "));
  assert.deepEqual(parse(exec, "web", "-e", "A=1", "-e", "B==", "--", "-x"), [
    ["web", ["-x"]],
    { env: { A: "1", B: "=" } },
  ]);
  assert.deepEqual(parse(run, "--", "sh", "-c", "x"), [[["sh", "-c", "x"]], {}]);
  assert.deepEqual(parse(run, "-i", "sh", "-i"), [[["sh", "-i"]], { interactive: true }]);
});

test("a program that is missing and options that do not exist are refused", () => {
  for (const words of [["web"], ["web", "-i"], ["web", "--"]])
    assert.throws(() => parse(exec, ...words), /missing required argument 'command'/, words.join(" "));
  assert.throws(() => parse(exec, "web", "--nope", "ls"), /unknown option '--nope'/);
  assert.throws(() => parse(exec, "web", "--help"), { code: "commander.help" });
  assert.throws(() => parse(run), /missing required argument 'command'/);
});

test("shell tells a capsule from a program by the separator", () => {
  assert.deepEqual(parse(shell), [[undefined, []], {}]);
  assert.deepEqual(parse(shell, "web", "-i"), [["web", []], { interactive: true }]);
  assert.deepEqual(parse(shell, "--", "top", "-b"), [[undefined, ["top", "-b"]], {}]);
  assert.deepEqual(parse(shell, "-i", "--", "top", "--", "x"), [
    [undefined, ["top", "--", "x"]],
    { interactive: true },
  ]);
  assert.deepEqual(parse(shell, "web", "--", "top"), [["web", ["top"]], {}]);
  assert.throws(() => parse(shell, "web", "top"), /shell web -- top/);
});
