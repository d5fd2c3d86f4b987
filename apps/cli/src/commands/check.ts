import { join } from "node:path";
import { installDashboardTools } from "@wrenn/host-setup";
import { CommandExit } from "../command-exit.ts";
import { projectRoot } from "../project-root.ts";
import { runInherited } from "../run-inherited.ts";

interface Check {
  readonly title: string;
  /** Found among the tools of the folder. */
  readonly argv: readonly [string, ...string[]];
  /** Default: the project's own. */
  readonly folder?: string;
}

const checks: readonly Check[] = [
  { title: "types", argv: ["tsc", "-p", "tsconfig.json"] },
  // Before the lint, which reads types that it generates.
  {
    title: "types of the dashboard",
    argv: ["npm", "run", "--silent", "check"],
    folder: "apps/dashboard",
  },
  { title: "lint", argv: ["oxlint", "--type-aware", "--deny-warnings"] },
  { title: "format", argv: ["oxfmt", "--check", "."] },
  { title: "unused code and dependencies", argv: ["knip"] },
  { title: "import boundaries and conventions", argv: ["node", "--test", "tests/conventions/*.test.ts"] },
];

/** Runs every static check, all of them even when one fails. */
export async function check(): Promise<void> {
  await installDashboardTools({
    projectRoot,
    progress: ({ step }) => process.stdout.write(`${step} …\n`),
  });
  const failed: string[] = [];
  for (const { title, argv, folder = "." } of checks) {
    const code = await runInherited(argv, join(projectRoot, folder));
    process.stdout.write(`${code === 0 ? "✓" : "✗"} ${title}\n`);
    if (code !== 0) failed.push(title);
  }
  if (failed.length > 0) throw new CommandExit(1);
}
