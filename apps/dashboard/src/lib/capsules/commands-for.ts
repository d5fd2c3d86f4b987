import type { CapsuleInfo } from "@wrenn/sdk";

/** How an action of the dashboard is done by other means. */
export interface ActionCommands {
  readonly title: string;
  readonly ways: readonly { readonly name: "wrenn" | "curl" | "TypeScript"; readonly text: string }[];
}

/** What can be done with a capsule, as commands that can be pasted; names are quoted for a shell. */
export function commandsFor({ id, status }: CapsuleInfo, origin: string): readonly ActionCommands[] {
  const path = `${origin}/v1/capsules/${id}`;
  const action = (title: string, cli: string, method: string, tail: string, call: string, body?: string) => ({
    title,
    ways: [
      { name: "wrenn", text: `wrenn ${cli} ${id}` },
      { name: "curl", text: curl(method, `${path}${tail}`, body) },
      {
        name: "TypeScript",
        text: `import { Capsule } from "@wrenn/sdk";\nconst capsule = await Capsule.get("${id}");\nawait capsule.${call};`,
      },
    ] as const,
  });
  const common = [
    action("Look at it", "inspect", "GET", "", "info()"),
    action("Destroy it", "rm", "DELETE", "", "destroy()"),
  ];
  if (status === "paused") return [action("Resume it", "resume", "POST", "/resume", "resume()"), ...common];
  if (status !== "running") return common;
  const exec = action(
    "Run a command in it",
    "exec",
    "POST",
    "/exec",
    'commands.run("uname -a")',
    '{"cmd": "uname", "args": ["-a"]}',
  );
  return [
    { ...exec, ways: [{ name: "wrenn", text: `wrenn exec ${id} -- uname -a` }, ...exec.ways.slice(1)] },
    action("Pause it", "pause", "POST", "/pause", "pause()"),
    action("Fork it", "fork", "POST", "/fork", "fork()", '{"count": 1}'),
    ...common,
  ];
}

function curl(method: string, url: string, body?: string): string {
  const data = body === undefined ? "" : ` -H 'Content-Type: application/json' -d '${body}'`;
  return `curl -X ${method} -H "X-API-Key: $WRENN_API_KEY"${data} ${url}`;
}
