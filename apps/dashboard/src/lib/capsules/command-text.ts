/** How an action of the dashboard is done by other means. */
export interface ActionCommands {
  readonly title: string;
  readonly ways: readonly CommandWay[];
}

export interface CommandWay {
  readonly name: "wrenn" | "curl" | "TypeScript";
  readonly text: string;
}

/** What an action is in each way; the command line does not have all of them. */
export interface ActionParts {
  readonly title: string;
  /** Arguments of `wrenn`. */
  readonly cli?: readonly string[];
  readonly method: string;
  /** Behind the origin. */
  readonly path: string;
  readonly body?: unknown;
  /** Statements, in which `capsule` is the capsule where there is one. */
  readonly code: string;
}

const PLAIN = /^[\w@%+=:,./-]+$/;

/** A word as a POSIX shell reads it back. */
export function shellWord(word: string): string {
  return PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

/** Commands that can be pasted: they find server and key in `WRENN_URL` and `WRENN_API_KEY`. */
export function waysOf(
  { title, cli, method, path, body, code }: ActionParts,
  capsuleId?: string,
): ActionCommands {
  const data =
    body === undefined
      ? ""
      : ` \\\n  -H 'Content-Type: application/json' \\\n  -d ${shellWord(JSON.stringify(body))}`;
  const opened =
    capsuleId === undefined ? "" : `const capsule = await Capsule.get(${JSON.stringify(capsuleId)});\n`;
  return {
    title,
    ways: [
      ...(cli ? [{ name: "wrenn" as const, text: ["wrenn", ...cli.map(shellWord)].join(" ") }] : []),
      {
        name: "curl",
        text: `curl -X ${method} "$WRENN_URL${path}" \\\n  -H "X-API-Key: $WRENN_API_KEY"${data}`,
      },
      { name: "TypeScript", text: `import { Capsule } from "@wrenn/sdk";\n\n${opened}${code}` },
    ],
  };
}
