import { WrennError } from "../errors/wrenn-error.ts";

/**
 * Refuses options that the call does not know: a misspelt option must not be a setting without effect.
 *
 * @param call - how the message names the call, such as `Capsule.create`.
 * @throws WrennError `unknown_option`, which suggests the option that was probably meant.
 */
export function requireKnownOptions(
  call: string,
  options: object | undefined,
  known: readonly string[],
): void {
  if (options === undefined) return;
  for (const name of Object.keys(options)) {
    if (known.includes(name)) continue;
    const near = known.find((option) => isNear(option, name));
    throw new WrennError({
      code: "unknown_option",
      message: `${call} has no option '${name}'`,
      remedy: near === undefined ? `Its options are ${known.join(", ")}.` : `Use '${near}'.`,
      details: { option: name },
    });
  }
}

/** The refusal of an option's value. */
export function invalidOption(call: string, option: string, problem: string): WrennError {
  return new WrennError({
    code: "invalid_option",
    message: `${call}: ${option} ${problem}`,
    remedy: `Pass a valid ${option}.`,
    details: { option },
  });
}

/** A duration in whole seconds for the wire, at least as long as asked. @throws WrennError `invalid_option`. */
export function secondsOf(call: string, option: string, ms: number): number {
  if (!Number.isFinite(ms) || ms < 0)
    throw invalidOption(call, option, `must be a number of milliseconds from 0, not ${String(ms)}`);
  return Math.ceil(ms / 1000);
}

/** Members that are not undefined: an absent option is left out of a request. */
export function present<T extends object>(members: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as {
    [K in keyof T]?: Exclude<T[K], undefined>;
  };
}

/** `timeout` and `time_out` mean `timeoutMs`, `memory_mb` means `memoryMib`: a name without its unit begins the other one. */
function isNear(option: string, name: string): boolean {
  const [a, b] = [stem(option), stem(name)];
  return a.length > 2 && b.length > 2 && (a.startsWith(b) || b.startsWith(a));
}

const stem = (name: string): string =>
  name
    .replaceAll("_", "")
    .toLowerCase()
    .replace(/(?<=...)(?:ms|sec|seconds|mib|mb)$/, "");
