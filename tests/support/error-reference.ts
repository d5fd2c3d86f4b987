import { errorCatalogue } from "@wrenn/core";
import type { CatalogueEntry } from "@wrenn/core";

/** `docs/reference/errors.md`: every entry of the error catalogue, by wire code. */
export function renderErrorReference(): string {
  const entries = Object.entries<CatalogueEntry>(errorCatalogue);
  const codes = [...new Set(entries.map(([, entry]) => entry.code))];
  const lines = [
    "# Errors",
    "",
    "Generated from `packages/core/src/error-catalogue.ts` by `npm run reference`; do not edit.",
    "",
    "Every refusal of the API has this body. `code` is what [clients dispatch on](rest-api.md#errors); `reason` is the precise entry below; braces stand for what the message names.",
    "",
    "```json",
    JSON.stringify(
      { error: { code: "…", message: "…", reason: "…", remedy: "…", request_id: "req-…" } },
      undefined,
      2,
    ),
    "```",
    "",
    "Whose fault it is: _user_ means that the request can be put right by the caller; _system_ means that the platform or its surroundings failed, and the server's log holds the cause under the request id.",
  ];
  for (const code of codes) {
    lines.push("", `## ${code}`);
    for (const [reason, entry] of entries) {
      if (entry.code !== code) continue;
      lines.push(
        "",
        `### \`${reason}\``,
        "",
        `HTTP ${entry.status}, ${entry.fault}`,
        "",
        `> ${entry.message}`,
        "",
        entry.remedy,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}
