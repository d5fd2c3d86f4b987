import type { AttachOptions } from "../verbs/attach.ts";
import type { ExecOptions } from "../verbs/exec.ts";
import type { RunVerbOptions } from "../verbs/run.ts";
import type { ShellOptions } from "../verbs/shell.ts";
import { count, mebibytes } from "../options/parse.ts";
import { act, CAPSULE, dataCommand, serverCommand } from "./define.ts";
import type { Program } from "./define.ts";
import {
  detachOption,
  programOptions,
  separatesProgram,
  takesProgram,
  timeoutOption,
} from "./program-command.ts";

const PASSES = { runsPrograms: true };

/** Commands that run programs in capsules. */
export function defineRuns(program: Program): void {
  const { root } = program;
  const run = dataCommand(root, "run", "run one program in a capsule of its own and remove the capsule")
    .option("-t, --template <name>", "template to start from", "minimal")
    .option("--vcpus <count>", "virtual CPUs", count, 1)
    .option("-m, --memory <size>", "memory, such as 512M or 2G", mebibytes, 512)
    .option("--keep", "leave the capsule running and print its id")
    .argument("<command...>", "program and its arguments, after --");
  takesProgram(timeoutOption(programOptions(run)), 0, true);
  act<[readonly string[], RunVerbOptions]>(
    program,
    run,
    async (...all) => (await import("../verbs/run.ts")).run(...all),
    PASSES,
  );

  const exec = dataCommand(root, "exec", "run a program in a capsule")
    .option("-i, --interactive", "our standard input is that of the program; without it, the input is empty")
    .option("-t, --tty", "in a terminal; -it for a program that is used by hand")
    .option("-d, --detach", "start it in the background, and print its process id and tag")
    .option("--tag <tag>", "name by which the process is found");
  takesProgram(detachOption(timeoutOption(programOptions(exec))), 1, true)
    .argument("<capsule>", CAPSULE)
    .argument("[command...]", "program and its arguments");
  act<[string, readonly string[], ExecOptions]>(
    program,
    exec,
    async (...all) => (await import("../verbs/exec.ts")).exec(...all),
    PASSES,
  );

  const shell = serverCommand(root, "shell", "open a terminal in a capsule, or in a new one, which is kept")
    .option("--rm", "remove the new capsule at the end")
    .option("-t, --template <name>", "template of the new capsule (default: minimal)")
    .option("--name <name>", "name of the new capsule")
    .option("--vcpus <count>", "virtual CPUs of the new capsule", count)
    .option("-m, --memory <size>", "its memory, such as 512M or 2G", mebibytes);
  separatesProgram(detachOption(programOptions(shell)))
    .argument("[capsule]", CAPSULE)
    .argument("[command...]", "program and its arguments instead of bash, after --");
  act<[string | undefined, readonly string[], ShellOptions]>(
    program,
    shell,
    async (...all) => (await import("../verbs/shell.ts")).shell(...all),
    PASSES,
  );

  const attach = serverCommand(root, "attach", "join a terminal, or follow the output of a process")
    .option("-i, --interactive", "our standard input is that of the process; terminals take keys without it")
    .argument("<capsule>", CAPSULE)
    .argument("<process>", "process id or tag");
  detachOption(attach);
  act<[string, string, AttachOptions]>(
    program,
    attach,
    async (...all) => (await import("../verbs/attach.ts")).attach(...all),
    PASSES,
  );
}
