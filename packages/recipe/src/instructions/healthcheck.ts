import { parseDuration } from "../syntax/duration.ts";
import { checkFlags, flagValue, splitFlags } from "../syntax/flags.ts";
import type { RecipeFlag } from "../syntax/flags.ts";
import { quote, refuse } from "../syntax/refusal.ts";
import type { Written } from "../syntax/written.ts";
import { parseCommand } from "./command.ts";
import type { InstructionBody, RawInstruction, ReadinessCheck, RecipeCommand } from "./instruction.ts";

/** The contract's defaults, in milliseconds. */
const DEFAULTS = { interval: 3000, timeout: 10_000, "start-period": 0 };
/** Without a limit of failures, a check that never succeeds ends the build after this time. */
const DEADLINE_MS = 5 * 60_000;
const FLAGS = ["interval", "timeout", "start-period", "retries", "deadline"];
const REFUSED = { "start-interval": "Use --interval: it holds in the start period too." };

/** HEALTHCHECK NONE, or HEALTHCHECK [flags] CMD command. */
export function parseHealthcheck({ args }: RawInstruction): InstructionBody {
  const { flags, rest } = splitFlags(args);
  const [word = ""] = /^\S*/.exec(rest.text) ?? [];
  const kind = word.toUpperCase();
  if (kind === "NONE") {
    const [flag] = flags;
    if (flag !== undefined) refuse(flag.word, "HEALTHCHECK NONE has no flags", "Remove the flags.");
    if (rest.text.length > word.length)
      refuse(rest.slice(word.length).trim(), "HEALTHCHECK NONE has no arguments", "Remove them.");
    return { kind: "HEALTHCHECK", check: "none" };
  }
  if (kind !== "CMD")
    refuse(
      rest,
      "HEALTHCHECK needs CMD and a command, or NONE",
      "Write HEALTHCHECK [--flag=value] CMD command.",
    );
  return {
    kind: "HEALTHCHECK",
    check: checkOf(flags, parseCommand(rest.slice(word.length).trim(), "HEALTHCHECK CMD")),
  };
}

/** The field `healthcheck` of a build: flags and a shell command. */
export function readinessCheckOf(whole: Written): ReadinessCheck {
  const { flags, rest } = splitFlags(whole);
  if (rest.text === "")
    refuse(rest, "the health check has no command", "Write a shell command after the flags.");
  return checkOf(flags, { form: "shell", text: rest.text });
}

function checkOf(flags: readonly RecipeFlag[], command: RecipeCommand): ReadinessCheck {
  checkFlags(flags, { keyword: "HEALTHCHECK", allowed: FLAGS, refused: REFUSED });
  const find = (name: string): Written | undefined => {
    const flag = flags.find((one) => one.name === name);
    return flag && flagValue(flag);
  };
  const time = (name: keyof typeof DEFAULTS, least: number): number => {
    const value = find(name);
    if (value === undefined) return DEFAULTS[name];
    const ms = parseDuration(value);
    if (ms < least) refuse(value, `--${name} is shorter than ${least} ms`, `Write at least ${least}ms.`);
    return ms;
  };
  const intervalMs = time("interval", 1);
  const timeoutMs = time("timeout", 1);
  const startPeriodMs = time("start-period", 0);
  const retries = retriesOf(find("retries"));
  const deadline = find("deadline");
  // The contract's limit where failures are counted, and one of ours where they are not.
  const implied = retries === 0 ? startPeriodMs + DEADLINE_MS : startPeriodMs + (retries + 1) * intervalMs;
  const deadlineMs = deadline === undefined ? implied : parseDuration(deadline);
  if (deadline !== undefined && deadlineMs < 1)
    refuse(deadline, "--deadline is shorter than 1 ms", "Write at least 1ms.");
  return { command, intervalMs, timeoutMs, startPeriodMs, retries, deadlineMs };
}

function retriesOf(value: Written | undefined): number {
  if (value === undefined) return 0;
  if (!/^\d{1,4}$/.test(value.text))
    refuse(value, `${quote(value.text)} is not a number of retries`, "Write a number from 0 to 9999.");
  return Number(value.text);
}
