import { stripVTControlCharacters, styleText } from "node:util";
import type { CheckResult, CheckStatus } from "./check.ts";
import { isHealthy } from "./run-doctor.ts";

const marks = { ok: ["✓", "green"], warn: ["!", "yellow"], fail: ["✗", "red"] } as const;

/** The findings as a text table; what is not in order is followed by why it matters and what to do. */
export function renderDoctor(results: readonly CheckResult[], options: { readonly colour: boolean }): string {
  const width = Math.max(0, ...results.map(({ title }) => title.length));
  const lines = results.flatMap((result) => {
    // What was found may quote other programs' output, which has no business with the terminal.
    const found = stripVTControlCharacters(result.found).replaceAll(/\s+/g, " ");
    const line = `${mark(result.status, options.colour)} ${result.title.padEnd(width)}  ${found}`;
    if (result.status === "ok") return [line];
    const indent = " ".repeat(width + 4);
    return [line, `${indent}Why: ${result.why}.`, `${indent}Do:  ${result.remedy}`];
  });
  return [...lines, "", summary(results), ""].join("\n");
}

/** The findings for programs; `ok` is whether capsules can run. */
export function doctorJson(results: readonly CheckResult[]): {
  readonly ok: boolean;
  readonly checks: readonly CheckResult[];
} {
  return { ok: isHealthy(results), checks: results };
}

function mark(status: CheckStatus, colour: boolean): string {
  const [character, name] = marks[status];
  return colour ? styleText(name, character, { validateStream: false }) : character;
}

function summary(results: readonly CheckResult[]): string {
  const count = (status: CheckStatus): number => results.filter((result) => result.status === status).length;
  const verdict = isHealthy(results) ? "Capsules can run on this host" : "Capsules cannot run on this host";
  return `${verdict}: ${count("ok")} in order, ${count("warn")} to know about, ${count("fail")} to mend.`;
}
