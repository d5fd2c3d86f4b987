/*
 * The sandbox client of @openai/agents-extensions as an agent uses it: a workspace with files, commands, a terminal, an archive of the
 * workspace, and a pause between two turns. No model is asked. Prints what it saw.
 */
import { Manifest } from "@openai/agents-core/sandbox";
import { E2BSandboxClient } from "@openai/agents-extensions/sandbox/e2b";

const client = new E2BSandboxClient({ template: "minimal", timeout: 300, pauseOnExit: true });
const manifest = new Manifest({
  entries: { "notes/todo.txt": { type: "file", content: "milk\n" } },
  environment: { MODE: "agent" },
});

const session = await client.create(manifest);
const ran = await session.execCommand({ cmd: "pwd; id -un; cat notes/todo.txt; echo $MODE; exit 3" });
const terminal = await session.execCommand({
  cmd: "read line; echo got $line",
  tty: true,
  yieldTimeMs: 2000,
});
const [, sessionId] = /session ID (\d+)/.exec(terminal) ?? [];
const typed = await session.writeStdin({ sessionId: Number(sessionId), chars: "typed\n", yieldTimeMs: 2000 });
const archive = await session.persistWorkspace();
const state = await client.serializeSessionState(session.state);
await session.close();

const resumed = await client.resume(await client.deserializeSessionState(state));
const kept = await resumed.execCommand({ cmd: "cat notes/todo.txt; rm -r notes" });
await resumed.hydrateWorkspace(archive);
const unpacked = await resumed.execCommand({ cmd: "cat notes/todo.txt" });
resumed.state.pauseOnExit = false;
await resumed.close();

process.stdout.write(
  JSON.stringify({
    id: session.state.sandboxId,
    resumed: resumed.state.sandboxId,
    ran,
    typed,
    kept,
    unpacked,
  }),
);
process.exit(0);
