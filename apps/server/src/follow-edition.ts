import { problemOf } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { RunningHostAgent } from "@wrenn/host-agent";
import type { BuiltInTemplate } from "./built-in-template.ts";

/** How often a server looks for a new edition. */
const LOOK_MS = 5000;
/** After a failure. */
const RETRY_MS = 10 * 60_000;
/** How often it looks for artifacts that no server uses. */
const COLLECT_MS = 5 * 60_000;

export interface FollowEditionDeps {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly builtIn: Pick<BuiltInTemplate, "follow" | "removeRetired" | "recipe">;
  readonly agent: Pick<RunningHostAgent, "removeUnusedTemplates">;
  /** Has a machine of the default size wait for the next capsule. */
  readonly expectBuiltIn: (signal: AbortSignal) => Promise<void>;
}

/**
 * Lets a running server start new capsules from the edition that `./wrenn template refresh` made, without a restart. Capsules, forks
 * and templates of earlier editions go on as they are; the files of an edition go with the last of them.
 */
export function followEdition({
  clock,
  logger,
  builtIn,
  agent,
  expectBuiltIn,
}: FollowEditionDeps): AsyncDisposable {
  const closing = new AbortController();
  const { signal } = closing;
  const look = async (): Promise<void> => {
    if (!(await builtIn.follow(signal))) return;
    await expectBuiltIn(signal);
    logger.info("template.refreshed", { template: builtIn.recipe.name });
    await agent.removeUnusedTemplates();
  };
  const run = async (): Promise<void> => {
    let collectAt = 0;
    while (!signal.aborted) {
      let waitMs = LOOK_MS;
      try {
        await look();
        if (clock.monotonic() >= collectAt) {
          collectAt = clock.monotonic() + COLLECT_MS;
          await builtIn.removeRetired();
        }
      } catch (error) {
        if (signal.aborted) return;
        waitMs = RETRY_MS;
        logger.error("template.refresh_not_used", {
          template: builtIn.recipe.name,
          problem: problemOf(error),
        });
      }
      await clock.sleep(waitMs, signal).catch(() => undefined);
    }
  };
  const running = run();
  return {
    [Symbol.asyncDispose]: async () => {
      closing.abort(new Error("the server is closing"));
      await running;
    },
  };
}
