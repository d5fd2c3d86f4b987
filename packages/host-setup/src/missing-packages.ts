import { defined } from "@wrenn/core";
import type { tryCommand } from "@wrenn/system";
import type { Requirement } from "./requirements.ts";

/**
 * Which of these packages are not installed, by one call of dpkg-query.
 *
 * @throws WrennError `dependency_missing` where there is no dpkg-query, so on everything but Debian and its relatives.
 */
export async function missingPackages(
  wanted: readonly Requirement[],
  run: typeof tryCommand,
  signal?: AbortSignal,
): Promise<readonly Requirement[]> {
  const format = "--showformat=${Package} ${db:Status-Status}\\n";
  const names = wanted.map(({ name }) => name);
  // The exit code is 1 as soon as one name is unknown; the lines say what is known of the others.
  const { stdout } = await run(["dpkg-query", "--show", format, ...names], defined({ signal }));
  const installed = new Set(
    stdout
      .split("\n")
      .filter((line) => line.endsWith(" installed"))
      .map((line) => line.slice(0, line.indexOf(" "))),
  );
  return wanted.filter(({ name }) => !installed.has(name));
}
