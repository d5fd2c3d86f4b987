import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { Sandbox } from "@e2b/code-interpreter";
import type { Context } from "@e2b/code-interpreter";

const SERVICE = join(import.meta.dirname, "../../src/service/run.py");
const PYTHON = "/usr/bin/python3";

/** A code interpreter on this machine. */
export interface Interpreter extends AsyncDisposable {
  readonly url: string;
  /** Directory of contexts. */
  readonly cwd: string;
  /** File with the variables of the capsule. */
  readonly environment: string;
  readonly pid: number;
}

/** Why the service cannot run here; undefined where it can. */
export async function missingPython(modules: readonly string[] = ["ipykernel"]): Promise<string | undefined> {
  // Found, not imported: that would take a second.
  const script = `import importlib.util, sys\nsys.exit(not all(map(importlib.util.find_spec, ${JSON.stringify(modules)})))`;
  const child = spawn(PYTHON, ["-c", script], { stdio: "ignore" });
  const code = await new Promise<number | null>((resolve) => {
    child.once("error", () => resolve(-1));
    child.once("exit", resolve);
  });
  return code === 0 ? undefined : `${PYTHON} has no ${modules.join(" or ")} (Debian: python3-${modules[0]})`;
}

/** Starts the service. Without `warm` languages start when they are first used. */
export async function startInterpreter({ warm = "python" } = {}): Promise<Interpreter> {
  const cwd = await mkdtemp("/tmp/wrenn-interpreter-");
  const environment = join(cwd, ".environment");
  const options = ["--host=127.0.0.1", "--port=0", `--cwd=${cwd}`, `--environment=${environment}`];
  const child = spawn(PYTHON, ["-B", SERVICE, ...options, `--node=${process.execPath}`, `--warm=${warm}`], {
    stdio: ["ignore", "pipe", "inherit"],
    env: { ...process.env, HOME: cwd, IPYTHONDIR: join(cwd, ".ipython"), PYTHONDONTWRITEBYTECODE: "1" },
  });
  const ended = once(child, "exit");
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    await ended;
    await rm(cwd, { recursive: true, force: true });
  };
  for await (const line of createInterface({ input: child.stdout })) {
    const port = /^listening on port (\d+)$/.exec(line)?.[1];
    if (port === undefined) continue;
    const url = `http://127.0.0.1:${port}`;
    return { url, cwd, environment, pid: child.pid ?? 0, [Symbol.asyncDispose]: stop };
  }
  await stop();
  throw new Error("the code interpreter has ended before it listened");
}

/** The official client, for a service at an address: no control plane is asked. */
export function clientAt(sandboxUrl: string): Sandbox {
  return new Sandbox({ sandboxId: "i0", envdVersion: "0.5.7", sandboxUrl, apiKey: `e2b_${"0".repeat(40)}` });
}

/** The default context of a language. */
export async function contextOf(client: Sandbox, language: string): Promise<Context> {
  const found = (await client.listCodeContexts()).find((context) => context.language === language);
  if (!found) throw new Error(`there is no context for ${language}`);
  return found;
}
