import { count, mebibytes, texts } from "../options/parse.ts";
import type { BuildVerbOptions } from "../verbs/build.ts";
import { act, choice, dataCommand } from "./define.ts";
import type { Program } from "./define.ts";

const PROGRESS: readonly BuildVerbOptions["progress"][] = ["auto", "plain", "quiet"];

/** `wrenn build`. */
export function defineBuilds(program: Program): void {
  const build = dataCommand(
    program.root,
    "build",
    "build a template from a recipe and the files of a directory",
  )
    .argument("[directory]", "files for COPY and ADD; its recipe, unless --file names one")
    .option("-t, --tag <name>", "name or name:tag of the template; required")
    .option(
      "-f, --file <path>",
      "the recipe; - is standard input (default: Wrennfile or Dockerfile of the directory, or standard input without one)",
    )
    .option(
      "--build-arg <pair>",
      "NAME=value for ARG; NAME alone takes it from the environment; repeatable",
      texts,
    )
    .option(
      "--secret <fields>",
      "for RUN --mount=type=secret: id=NAME,src=FILE or id=NAME,env=VARIABLE; repeatable",
      texts,
    )
    .option("--no-cache", "take nothing from earlier builds")
    .option("--from-step <number>", "perform this step and those behind it again", count)
    .option("--from <template>", "template to begin with, for a recipe without FROM (default: minimal)")
    .option(
      "--healthcheck <command>",
      "the template is ready when this succeeds; it then has memory. Replaces HEALTHCHECK",
    )
    .option("--vcpus <count>", "virtual CPUs", count)
    .option("-m, --memory <size>", "memory, such as 512M or 2G", mebibytes)
    .option(
      "--strict",
      "fail when the directory has links to nowhere or outside, or files that cannot be read",
    )
    .addOption(
      choice(
        "--progress <kind>",
        "auto: live on a terminal; plain: line by line; quiet: none",
        PROGRESS,
        "auto",
      ),
    )
    .option("-d, --detach", "print the id of the build and do not wait");
  act<[string | undefined, BuildVerbOptions]>(program, build, async (...all) =>
    (await import("../verbs/build.ts")).build(...all),
  );
}
