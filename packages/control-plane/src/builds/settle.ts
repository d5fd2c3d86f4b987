import { WrennError } from "@wrenn/core";
import type { Clock } from "@wrenn/core";
import type { CapsuleProcess, ProcessExit } from "@wrenn/protocol";
import type { ImageCheck } from "@wrenn/recipe";
import type { BuildCapsule } from "./build-capsules.ts";
import { problemWith, runCommand, startCommand } from "./build-commands.ts";
import type { StepScope } from "./build-commands.ts";
import { untilReady } from "./until-ready.ts";

/** A start command without a health check is ready when it has run this long, or has ended well. */
const UNCHECKED_MS = 2000;
/** Characters of what a start command printed that an error shows. */
const LAST_WORDS = 2000;

export interface SettledPrograms {
  readonly check: ImageCheck | undefined;
  /** The start command; undefined where the recipe has none, and what START has begun is waited for. */
  readonly program: readonly string[] | undefined;
  /** Of both. */
  readonly scope: StepScope;
}

/**
 * Runs the start command of a template until the template is ready.
 *
 * @throws WrennError `build_not_ready`, also as soon as the start command has failed.
 */
export async function settle(
  { processes }: Pick<BuildCapsule, "processes">,
  { check, program, scope }: SettledPrograms,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  const startedAt = clock.monotonic();
  const [cmd, ...args] = program ?? [];
  const started =
    cmd === undefined
      ? undefined
      : new StartedProgram(await startCommand(processes, { cmd, args, scope }, signal));
  const requireRunning = async (): Promise<void> => {
    const problem = await started?.failure(signal);
    const seconds = Math.round((clock.monotonic() - startedAt) / 1000);
    if (problem !== undefined) throw new WrennError("build_not_ready", { seconds, problem });
  };
  using _watch = started?.watch(signal);
  if (check === undefined) {
    const over = new AbortController();
    const late = clock.sleep(UNCHECKED_MS, AbortSignal.any([signal, over.signal])).catch(() => {});
    await Promise.race([late, started?.ended]);
    over.abort();
    signal.throwIfAborted();
    return await requireRunning();
  }
  const [checkCmd = "", ...checkArgs] = check.argv;
  const attempt = async (): Promise<string | undefined> => {
    await requireRunning();
    const command = { cmd: checkCmd, args: checkArgs, scope, timeoutMs: check.timeoutMs };
    return problemWith(await runCommand(processes, command, async () => {}, signal), check.timeoutMs);
  };
  await untilReady(check, attempt, clock, signal);
}

/** A start command, and how it ended if it has. */
class StartedProgram {
  readonly #process: CapsuleProcess;
  readonly #ended = Promise.withResolvers<void>();
  #exit: ProcessExit | undefined;

  constructor(process: CapsuleProcess) {
    this.#process = process;
  }

  /** Resolves when it has ended, however. */
  get ended(): Promise<void> {
    return this.#ended.promise;
  }

  /** Looks for its end until it is disposed. */
  watch(signal: AbortSignal): Disposable {
    const left = new AbortController();
    void this.#process
      .wait(AbortSignal.any([signal, left.signal]))
      .then((exit) => {
        this.#exit = exit;
        this.#ended.resolve();
      })
      .catch(() => {});
    return { [Symbol.dispose]: () => left.abort() };
  }

  /** Why it failed, in its own last words; undefined while it runs, and when it has ended well. */
  async failure(signal: AbortSignal): Promise<string | undefined> {
    if (!this.#exit || this.#exit.exitCode === 0) return undefined;
    const { stdout, stderr } = await this.#process.held({ stdout: 0, stderr: 0 }, signal);
    const [out, err] = [stdout, stderr].map(({ bytes }) => new TextDecoder().decode(bytes));
    const end = { exitCode: this.#exit.exitCode, timedOut: false, stdout: out ?? "", stderr: err ?? "" };
    return `the start command ended: ${(problemWith(end, 0) ?? "").slice(-LAST_WORDS)}`;
  }
}
