import { FormatError, optionalObject, textsOf } from "./json-fields.ts";

/** How an image is checked, as Docker writes it. Times are in milliseconds; undefined: not said. */
export interface OciHealthcheck {
  readonly command:
    | { readonly form: "shell"; readonly text: string }
    | { readonly form: "exec"; readonly argv: readonly string[] };
  readonly intervalMs: number | undefined;
  readonly timeoutMs: number | undefined;
  readonly startPeriodMs: number | undefined;
  readonly retries: number | undefined;
}

const MAX_DAYS_MS = 365 * 86_400_000;

/** The field `Healthcheck` of a configuration; undefined where there is none, or one that is switched off. @throws FormatError */
export function parseHealthcheck(value: unknown): OciHealthcheck | undefined {
  const json = optionalObject(value, "Healthcheck");
  const [kind, ...words] = textsOf(json["Test"], "Healthcheck.Test", { items: 4096, length: 128 * 1024 });
  // Without a test, Docker takes the one of the image that this one was built from, which is the same field by then.
  if (kind === undefined || kind === "" || kind === "NONE" || words.length === 0) return undefined;
  if (kind !== "CMD" && kind !== "CMD-SHELL")
    throw new FormatError(`Healthcheck.Test begins with ${kind.slice(0, 40)}`);
  return {
    command: kind === "CMD" ? { form: "exec", argv: words } : { form: "shell", text: words.join(" ") },
    intervalMs: timeOf(json["Interval"], "Interval"),
    timeoutMs: timeOf(json["Timeout"], "Timeout"),
    startPeriodMs: timeOf(json["StartPeriod"], "StartPeriod"),
    retries: numberOf(json["Retries"], "Retries", 1, 1_000_000),
  };
}

/** Docker counts nanoseconds. */
function timeOf(value: unknown, name: string): number | undefined {
  return numberOf(value, name, 1e6, MAX_DAYS_MS);
}

/** 0 is what Docker writes for a value that was not given. */
function numberOf(value: unknown, name: string, unit: number, limit: number): number | undefined {
  if (value === undefined || value === null || value === 0) return undefined;
  if (typeof value !== "number" || !(value > 0) || value / unit > limit)
    throw new FormatError(`Healthcheck.${name} is out of range`);
  return Math.max(1, Math.round(value / unit));
}
