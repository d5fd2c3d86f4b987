import { WrennError } from "@wrenn/core";

/**
 * Whether built-in templates are built when they are first used, from `WRENN_BUILT_IN_TEMPLATES`.
 *
 * @returns true for `first-use`, the default, and false for `manual`.
 * @throws WrennError `invalid_field`.
 */
export function readFirstUse(env: Readonly<Record<string, string | undefined>>): boolean {
  const text = env["WRENN_BUILT_IN_TEMPLATES"] ?? "first-use";
  if (text !== "first-use" && text !== "manual")
    throw new WrennError("invalid_field", {
      field: "WRENN_BUILT_IN_TEMPLATES",
      problem: `must be first-use or manual, not '${text}'`,
    });
  return text === "first-use";
}
