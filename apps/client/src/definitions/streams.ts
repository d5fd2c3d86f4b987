import type { EventsVerbOptions } from "../verbs/events.ts";
import type { LogsVerbOptions } from "../verbs/logs.ts";
import type { StatsVerbOptions } from "../verbs/stats.ts";
import { moment } from "../options/moment.ts";
import { count, list } from "../options/parse.ts";
import { act, CAPSULE, choice, dataCommand } from "./define.ts";
import type { Program } from "./define.ts";

const SINCE = "at this time or later: 2026-03-01T12:00:00Z, or 10m for ten minutes ago";

/** Commands that show what happens. */
export function defineStreams(program: Program): void {
  const { root } = program;
  const logs = dataCommand(root, "logs", "print the console of a capsule and what the platform did with it")
    .argument("<capsule>", CAPSULE)
    .option("-f, --follow", "go on with what comes, until the capsule or the process has ended")
    .option("-n, --tail <count>", "only so many of the last entries, or lines of a process", count)
    .option("--since <time>", `only entries ${SINCE}`, moment)
    .addOption(choice("--source <source>", "only entries of this source", ["console", "platform"]))
    .option("-p, --process <tag>", "the output of this process (tag or process id) instead")
    .option("--raw", "write bytes of a process to a terminal as they are");
  act<[string, LogsVerbOptions]>(program, logs, async (...all) =>
    (await import("../verbs/logs.ts")).logs(...all),
  );

  const events = dataCommand(root, "events", "print what happened, oldest first")
    .option("-f, --follow", "print what happens from now on, until interrupted")
    .option(
      "--type <kind>",
      "only events of this kind, such as capsule.paused or capsule.*, repeatable",
      list,
    )
    .option("--capsule <capsule>", "only events of this capsule")
    .option("--since <time>", `only events ${SINCE}`, moment)
    .option("-n, --tail <count>", "only so many of the last events (default: 100 without --since)", count);
  act<[EventsVerbOptions]>(program, events, async (...all) =>
    (await import("../verbs/events.ts")).events(...all),
  );

  const stats = dataCommand(root, "stats", "show how busy capsules are, as it is measured")
    .argument("[capsule...]", "capsules (default: all that run)")
    .option("--no-stream", "print one table and end");
  act<[readonly string[], StatsVerbOptions]>(program, stats, async (...all) =>
    (await import("../verbs/stats.ts")).stats(...all),
  );
}
