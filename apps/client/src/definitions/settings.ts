import type { ExtendVerbOptions } from "../verbs/extend.ts";
import type { UpdateVerbOptions } from "../verbs/update.ts";
import { duration, list, pair } from "../options/parse.ts";
import { act, CAPSULE, choice, dataCommand, group, LIFETIME_ENDS } from "./define.ts";
import type { Program } from "./define.ts";

/** Commands that look at one capsule, change its settings, and keep moments of it. */
export function defineSettings(program: Program): void {
  const { root } = program;
  const inspect = dataCommand(root, "inspect", "show all that is known of a capsule")
    .alias("info")
    .argument("<capsule>", CAPSULE);
  act<[string]>(program, inspect, async (context, reference) =>
    (await import("../verbs/inspect.ts")).inspect(context, reference),
  );

  const update = dataCommand(root, "update", "change settings of a capsule: all that are named, or none")
    .argument("<capsule>", CAPSULE)
    .option("--name <name>", "give it this name")
    .option("--no-name", "take its name away")
    .option("--idle-timeout <duration>", "pause it after this long without use; 0: never", duration)
    .option("--max-lifetime <duration>", "end a run after this long; 0: no limit", duration)
    .addOption(choice("--on-lifetime-end <what>", "do this with it there", LIFETIME_ENDS))
    .option("--auto-resume", "resume it when it is used while paused")
    .option("--no-auto-resume", "do not")
    .option("-l, --label <NAME=value>", "add or replace metadata, repeatable", pair)
    .option("--remove-label <NAME>", "take metadata away, repeatable", list);
  act<[string, UpdateVerbOptions]>(program, update, async (...all) =>
    (await import("../verbs/update.ts")).update(...all),
  );

  const extend = dataCommand(root, "extend", "move the end of the present run of a capsule")
    .argument("<capsule>", CAPSULE)
    .option("--by <duration>", "this much later than now planned", duration)
    .option("--from-now <duration>", "this long from now", duration);
  act<[string, ExtendVerbOptions]>(program, extend, async (...all) =>
    (await import("../verbs/extend.ts")).extend(...all),
  );

  const checkpoint = group(root, "checkpoint", "moments of a capsule to go back to");
  const lists = dataCommand(checkpoint, "ls", "list checkpoints of a capsule, newest first").argument(
    "<capsule>",
    CAPSULE,
  );
  act<[string]>(program, lists, async (context, reference) =>
    (await import("../verbs/checkpoint.ts")).list(context, reference),
  );
  const create = dataCommand(checkpoint, "create", "keep this moment of a running capsule")
    .argument("<capsule>", CAPSULE)
    .option("--name <name>", "name, usable in place of the id");
  act<[string, { readonly name?: string }]>(program, create, async (...all) =>
    (await import("../verbs/checkpoint.ts")).create(...all),
  );
  const rm = dataCommand(checkpoint, "rm", "delete checkpoints")
    .argument("<capsule>", CAPSULE)
    .argument("<checkpoint...>", "id or name");
  act<[string, readonly string[]]>(program, rm, async (context, reference, checkpoints) =>
    (await import("../verbs/checkpoint.ts")).remove(context, reference, checkpoints),
  );
  const restore = dataCommand(root, "restore", "take a capsule back to a checkpoint: what came after is lost")
    .argument("<capsule>", CAPSULE)
    .argument("<checkpoint>", "id or name");
  act<[string, string]>(program, restore, async (context, reference, moment) =>
    (await import("../verbs/checkpoint.ts")).restore(context, reference, moment),
  );
}
