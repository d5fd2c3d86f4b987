import type { CapsuleInfo } from "@wrenn/sdk";
import type { CapsuleView } from "./capsule-views.ts";
import { waysOf } from "./command-text.ts";
import type { ActionCommands, ActionParts } from "./command-text.ts";

/** Stands in commands for what a person chooses. */
const PORT = 8000;
const MOMENT = "g1";

/** What can be done with a capsule, as commands that can be pasted: that of the view first, then that of the capsule. */
export function commandsFor({ id, status }: CapsuleInfo, view: CapsuleView): readonly ActionCommands[] {
  const path = `/v1/capsules/${id}`;
  const running: Readonly<Record<CapsuleView, readonly ActionParts[]>> = {
    "": [
      {
        title: "Run a command in it",
        cli: ["exec", id, "--", "uname", "-a"],
        method: "POST",
        path: `${path}/exec`,
        body: { cmd: "uname", args: ["-a"] },
        code: 'const { stdout } = await capsule.commands.run("uname -a");\nconsole.log(stdout);',
      },
    ],
    ports: [
      {
        title: "See what listens",
        cli: ["port", "ls", id],
        method: "GET",
        path: `${path}/ports/listening`,
        code: "console.log(await capsule.ports());",
      },
      ...(["public", "private"] as const).map((access) => ({
        title: access === "public" ? "Make a port public" : "Make it private again",
        cli: ["port", "set", id, String(PORT), access],
        method: "PUT",
        path: `${path}/ports/${PORT}`,
        body: { access },
        code: `await capsule.setPortAccess(${PORT}, "${access}");`,
      })),
      {
        title: "Share a port for an hour",
        cli: ["port", "sign", id, String(PORT), "--ttl", "1h"],
        method: "POST",
        path: `${path}/ports/${PORT}/link`,
        body: { expires_in_sec: 3600 },
        code: `console.log(await capsule.signedUrl(${PORT}, { ttlMs: 3_600_000 }));`,
      },
    ],
    processes: [
      {
        title: "Start a process",
        cli: ["exec", "-d", id, "--", "sleep", "60"],
        method: "POST",
        path: `${path}/exec`,
        body: { cmd: "sleep", args: ["60"], background: true },
        code: 'const { pid } = await capsule.commands.run("sleep 60", { background: true });\nconsole.log(pid);',
      },
      {
        title: "List processes",
        method: "GET",
        path: `${path}/processes`,
        code: "console.log(await capsule.commands.list());",
      },
    ],
    logs: [
      {
        title: "Read the log",
        cli: ["logs", id],
        method: "GET",
        path: `${path}/logs`,
        code: "for await (const { message } of capsule.logs({ tail: 100 })) console.log(message);",
      },
    ],
    metrics: [
      {
        title: "Read what was measured",
        cli: ["stats", id],
        method: "GET",
        path: `${path}/metrics?range=10m`,
        code: 'console.log(await capsule.metrics("10m"));',
      },
    ],
    timeline: [
      {
        title: "Create checkpoint",
        cli: ["checkpoint", "create", id, "--name", "before"],
        method: "POST",
        path: `${path}/checkpoints`,
        body: { name: "before" },
        code: 'const { id } = await capsule.checkpoint("before");\nconsole.log(id);',
      },
      {
        title: `Restore checkpoint ${MOMENT}`,
        cli: ["restore", id, MOMENT],
        method: "POST",
        path: `${path}/checkpoints/${MOMENT}/restore`,
        code: `await capsule.restore("${MOMENT}");`,
      },
      {
        title: "Fork it",
        cli: ["fork", id],
        method: "POST",
        path: `${path}/fork`,
        body: { count: 1 },
        code: "const [fork] = await capsule.fork();\nconsole.log(fork?.id);",
      },
    ],
    network: [
      {
        title: "Allow two addresses and nothing else",
        method: "PUT",
        path: `${path}/network`,
        body: { egress: "deny", allow: ["example.org", "192.0.2.0/24"] },
        code: 'await capsule.setNetwork({ egress: "deny", allow: ["example.org", "192.0.2.0/24"] });',
      },
      {
        title: "See what was decided",
        method: "GET",
        path: `${path}/network/decisions`,
        code: "console.log(await capsule.networkDecisions());",
      },
    ],
    settings: [
      {
        title: "Change its metadata",
        cli: ["update", id, "--label", "stage=test"],
        method: "PATCH",
        path,
        body: { metadata: { stage: "test" } },
        code: 'await capsule.update({ metadata: { stage: "test" } });',
      },
    ],
  };
  const pause = {
    title: "Pause it",
    cli: ["pause", id],
    method: "POST",
    path: `${path}/pause`,
    code: "await capsule.pause();",
  };
  const resume = {
    title: "Resume it",
    cli: ["resume", id],
    method: "POST",
    path: `${path}/resume`,
    code: "await capsule.resume();",
  };
  const always = [
    {
      title: "Inspect it",
      cli: ["inspect", id],
      method: "GET",
      path,
      code: "console.log(await capsule.info());",
    },
    { title: "Destroy it", cli: ["rm", id], method: "DELETE", path, code: "await capsule.destroy();" },
  ];
  const now = status === "running" ? [...running[view], pause] : status === "paused" ? [resume] : [];
  return [...now, ...always].map((parts) => waysOf(parts, id));
}
