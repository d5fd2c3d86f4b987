import type { Command, Option } from "commander";
import { count, mebibytes, texts } from "../options/parse.ts";
import type { BuildVerbOptions } from "../verbs/build.ts";
import type { ImportVerbOptions } from "../verbs/import-archive.ts";
import { act, choice, dataCommand } from "./define.ts";
import type { Program } from "./define.ts";

const PROGRESS: readonly BuildVerbOptions["progress"][] = ["auto", "plain", "quiet"];

const REGISTRY_USER = [
  "--registry-user <name>",
  "user of the registry of the image in FROM; the password is WRENN_REGISTRY_PASSWORD",
] as const;
const VCPUS = ["--vcpus <count>", "virtual CPUs", count] as const;
const MEMORY = ["-m, --memory <size>", "memory, such as 512M or 2G", mebibytes] as const;
const DETACH = ["-d, --detach", "print the id of the build and do not wait"] as const;

/** `wrenn template import`. @param template - the group that it belongs to. */
export function defineImport(program: Program, template: Command): void {
  const command = dataCommand(template, "import", "make a template of an image of a registry or an archive")
    .argument(
      "<image>",
      "registry/repository:tag (without a registry: that of the host's settings), or an archive of docker save or an OCI layout in tar",
    )
    .option(
      "-t, --tag <name>",
      "name or name:tag of the template (default: as the image or the file is called)",
    )
    .option("--image <name>", "which image of the archive, where it has several")
    .option(...REGISTRY_USER)
    .option(...VCPUS)
    .option(...MEMORY)
    .addOption(progress())
    .option(...DETACH);
  act<[string, ImportVerbOptions]>(program, command, async (...all) =>
    (await import("../verbs/template-import.ts")).importImage(...all),
  );
}

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
    .option(...REGISTRY_USER)
    .option("--no-cache", "take nothing from earlier builds")
    .option("--from-step <number>", "perform this step and those behind it again", count)
    .option("--from <template>", "template to begin with, for a recipe without FROM (default: minimal)")
    .option(
      "--healthcheck <command>",
      "the template is ready when this succeeds; it then has memory. Replaces HEALTHCHECK",
    )
    .option(...VCPUS)
    .option(...MEMORY)
    .option(
      "--strict",
      "fail when the directory has links to nowhere or outside, or files that cannot be read",
    )
    .addOption(progress())
    .option(...DETACH);
  act<[string | undefined, BuildVerbOptions]>(program, build, async (...all) =>
    (await import("../verbs/build.ts")).build(...all),
  );
}

function progress(): Option {
  return choice(
    "--progress <kind>",
    "auto: live on a terminal; plain: line by line; quiet: none",
    PROGRESS,
    "auto",
  );
}
