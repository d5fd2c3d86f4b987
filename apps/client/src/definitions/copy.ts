import type { CopyVerbOptions } from "../verbs/cp.ts";
import { act, dataCommand } from "./define.ts";
import type { Program } from "./define.ts";

/** The command that copies files. */
export function defineCopy(program: Program): void {
  const cp = dataCommand(
    program.root,
    "cp",
    "copy files and directories between this machine and capsules, or between capsules",
  )
    .argument(
      "<path...>",
      "sources and then the destination: CAPSULE:PATH, a local path, or - for stdin or stdout (a tar archive for a directory)",
    )
    .option("-L, --follow", "copy what links point to instead of the links")
    .option(
      "-u, --user <name>",
      "whose rights apply in the capsule, and who owns new files there (default: root)",
    )
    .option("--no-verify", "compare sizes only, not SHA-256")
    .option("-q, --quiet", "print nothing when everything was copied");
  act<[readonly string[], CopyVerbOptions]>(program, cp, async (...all) =>
    (await import("../verbs/cp.ts")).cp(...all),
  );
}
