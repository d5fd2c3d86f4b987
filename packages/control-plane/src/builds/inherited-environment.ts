/** Variables of a process of the build and its capsule, which no template takes with it. */
const NOT_KEPT: ReadonlySet<string> = new Set([
  "HOME",
  "USER",
  "LOGNAME",
  "SHELL",
  "PWD",
  "OLDPWD",
  "HOSTNAME",
  "TERM",
  "SHLVL",
  "XDG_RUNTIME_DIR",
  "_",
  "WRENN_SANDBOX",
  "WRENN_SANDBOX_ID",
  "WRENN_TEMPLATE",
  "WRENN_DEFAULT_USER",
  "WRENN_DEFAULT_CWD",
]);

/**
 * The variables that a template hands on: those that `env -0` prints in a capsule of it, without what belongs to one process, one
 * user or one capsule.
 */
export function inheritedEnvironment(output: string): Readonly<Record<string, string>> {
  const entries = output
    .split("\0")
    .filter((line) => line.includes("="))
    .map((line) => [line.slice(0, line.indexOf("=")), line.slice(line.indexOf("=") + 1)] as const);
  return Object.fromEntries(entries.filter(([name]) => !NOT_KEPT.has(name)));
}
