import type { RefreshResult } from "@wrenn/server";

/**
 * What became of a refresh, for people.
 *
 * @param serverUrl - of a server that runs on this machine.
 */
export function refreshReport(result: RefreshResult, serverUrl: string | undefined): string {
  const { template, outcome, packages, kernel, imageBytes } = result;
  if (outcome === "not_built")
    return `${template} is not built yet: ./wrenn up builds it from current packages\n`;
  if (outcome === "current")
    return `nothing changed: ${template} has Debian's current packages and kernel (${kernel.after ?? "unknown"})\n`;
  const rows = packages.map(({ name, before, after }): [string, string] => [name, change(before, after)]);
  if (kernel.before !== kernel.after) rows.unshift(["kernel", change(kernel.before, kernel.after)]);
  if (imageBytes.after !== undefined)
    rows.push(["image", change(mib(imageBytes.before), mib(imageBytes.after))]);
  const width = Math.max(...rows.map(([name]) => name.length));
  const table = rows.map(([name, text]) => `${name.padEnd(width)}  ${text}\n`).join("");
  return `${table}\n${conclusion(result, serverUrl)}\n`;
}

function conclusion({ template, outcome }: RefreshResult, serverUrl: string | undefined): string {
  if (outcome === "outdated") return `./wrenn template refresh builds ${template} with these`;
  const users = "Capsules and templates that are there keep the version they were started from.";
  return serverUrl === undefined
    ? `New capsules start from the new ${template}. ${users}`
    : `The server at ${serverUrl} starts new capsules from the new ${template} within seconds. ${users}`;
}

function change(before: string | undefined, after: string | undefined): string {
  if (before === undefined) return `${after ?? ""} (added)`;
  if (after === undefined) return `${before} (removed)`;
  return before === after ? before : `${before} → ${after}`;
}

function mib(bytes: number | undefined): string {
  return bytes === undefined ? "unknown" : `${(bytes / 2 ** 20).toFixed(1)} MiB`;
}
