import type { CreateVerbOptions } from "../verbs/create.ts";
import type { ListVerbOptions } from "../verbs/ps.ts";
import type { RemoveOptions } from "../verbs/rm.ts";
import { count, duration, list, mebibytes, pair } from "../options/parse.ts";
import { act, CAPSULE, choice, dataCommand, LIFETIME_ENDS } from "./define.ts";
import type { Program } from "./define.ts";

/** Commands that make, find and end capsules. */
export function defineCapsules(program: Program): void {
  const { root } = program;
  const ps = dataCommand(root, "ps", "list capsules")
    .alias("ls")
    .option("-s, --status <status>", "only capsules in one of these states, repeatable", list)
    .option("-t, --template <name>", "only capsules of this template")
    .option("-l, --label <NAME=value>", "only capsules with this metadata, repeatable", pair)
    .option("-n, --limit <count>", "at most this many", count)
    .option("-q, --quiet", "print ids only");
  act<[ListVerbOptions]>(program, ps, async (...all) => (await import("../verbs/ps.ts")).ps(...all));

  const create = dataCommand(root, "create", "create a capsule and print its id")
    .option("-t, --template <name>", "template to start from", "minimal")
    .option("--name <name>", "name, usable in place of the id")
    .option("--vcpus <count>", "virtual CPUs", count)
    .option("-m, --memory <size>", "memory, such as 512M or 2G", mebibytes)
    .option("--disk <size>", "size of the disk, such as 20G", mebibytes)
    .option("--idle-timeout <duration>", "pause it after this long without use", duration)
    .option("--max-lifetime <duration>", "end a run after this long", duration)
    .addOption(choice("--on-lifetime-end <what>", "do this with it there", LIFETIME_ENDS))
    .option("--auto-resume", "resume it when it is used while paused")
    .option("-e, --env <NAME=value>", "default environment variable, repeatable", pair)
    .option("-u, --user <name>", "default user of commands")
    .option("-w, --cwd <path>", "default working directory of commands")
    .option("-l, --label <NAME=value>", "metadata, repeatable", pair);
  act<[CreateVerbOptions]>(program, create, async (...all) =>
    (await import("../verbs/create.ts")).create(...all),
  );

  const rm = dataCommand(root, "rm", "destroy capsules")
    .argument("<capsule...>", CAPSULE)
    .option("-f, --force", "no error for capsules that do not exist");
  act<[readonly string[], RemoveOptions]>(program, rm, async (...all) =>
    (await import("../verbs/rm.ts")).rm(...all),
  );

  for (const [name, description] of [
    ["pause", "pause a running capsule: memory and processes are kept"],
    ["resume", "resume a paused capsule"],
  ] as const) {
    const command = dataCommand(root, name, description)
      .argument("<capsule>", CAPSULE)
      .option("--no-memory", name === "pause" ? "keep the disk only" : "boot it from its disk");
    act<[string, { readonly memory: boolean }]>(program, command, async (context, reference, options) =>
      (await import("../verbs/pause-resume.ts"))[name](context, reference, options),
    );
  }

  const fork = dataCommand(root, "fork", "start capsules from this moment of a running one")
    .argument("<capsule>", CAPSULE)
    .option("-n, --count <count>", "how many, 1 to 32", count, 1);
  act<[string, { readonly count: number }]>(program, fork, async (...all) =>
    (await import("../verbs/fork.ts")).fork(...all),
  );
}
