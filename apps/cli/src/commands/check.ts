import { runInherited } from "../run-inherited.ts";
import { CommandExit } from "../command-exit.ts";
import { projectRoot } from "../project-root.ts";

const checks: readonly { readonly title: string; readonly argv: readonly [string, ...string[]] }[] = [
  { title: "types", argv: ["tsc", "-p", "tsconfig.json"] },
  { title: "lint", argv: ["oxlint", "--type-aware", "--deny-warnings"] },
  { title: "format", argv: ["oxfmt", "--check", "."] },
  { title: "unused code and dependencies", argv: ["knip"] },
  { title: "import boundaries and conventions", argv: ["node", "--test", "tests/conventions/*.test.ts"] },
];

/** Runs every static check, all of them even when one fails. */
export async function check(): Promise<void> {
  const failed: string[] = [];
  for (const { title, argv } of checks) {
    const [tool, ...args] = argv;
    const code = await runInherited([`${projectRoot}/node_modules/.bin/${tool}`, ...args], projectRoot);
    process.stdout.write(`${code === 0 ? "✓" : "✗"} ${title}\n`);
    if (code !== 0) failed.push(title);
  }
  if (failed.length > 0) throw new CommandExit(1);
}
