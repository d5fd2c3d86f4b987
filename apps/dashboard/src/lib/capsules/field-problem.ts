import type { Problem } from "#lib/api/problem.ts";

/** Refusals that are about one field without naming it. */
const FIELDS_OF_REASONS: Readonly<Record<string, string>> = {
  capsule_name_taken: "name",
  template_not_found: "template",
  template_unknown: "template",
  cwd_not_found: "cwd",
  user_not_found: "user",
};

/** Why a field of a capsule cannot be used as it was filled in. @param field - as the API calls it; parts of it count too. */
export function fieldProblem(problem: Problem | undefined, field: string): string | undefined {
  if (!problem) return undefined;
  const refused = problem.field ?? FIELDS_OF_REASONS[problem.code];
  if (refused !== field && refused?.startsWith(`${field}.`) !== true) return undefined;
  // "Invalid request: vcpus must be <= 64": the field is known here.
  const { message } = problem;
  const prefix = `Invalid request: ${refused} `;
  return message.startsWith(prefix) ? `It ${message.slice(prefix.length)}.` : `${message}.`;
}

/** Brings the first field that was refused into view, opens what hides it, and gives it the focus. */
export function showRefusedField(form: HTMLElement | undefined): void {
  const field = form?.querySelector<HTMLElement>("[aria-invalid=true]");
  const details = field?.closest("details");
  if (details) details.open = true;
  field?.focus();
}
