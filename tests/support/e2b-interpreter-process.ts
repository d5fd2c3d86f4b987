import { setTimeout } from "node:timers/promises";
import { Sandbox } from "@e2b/code-interpreter";
import type { Execution } from "@e2b/code-interpreter";
import { breakOffCell } from "./broken-off-cell.ts";
import { cellService } from "./cell-service.ts";
import type { SeenCell } from "./cell-service.ts";

/*
 * The published client for code interpreters with the variables that `wrenn e2b env` prints, in a sandbox of `minimal` with a service
 * at the port of the interpreter. Prints what it saw.
 */

const sandbox = await Sandbox.create("minimal", { timeoutMs: 300_000 });
try {
  const { stdout: user } = await sandbox.commands.run("id -un");
  await sandbox.files.write("service.py", cellService);
  const listened = await sandbox.files.read("service.py");
  await sandbox.commands.run("python3 service.py", { background: true, timeoutMs: 0 });
  await sandbox.commands.run(
    "for i in $(seq 600); do curl -sf localhost:49999/ && exit 0; sleep 0.1; done; exit 1",
  );

  const printed = ({ logs }: Execution): SeenCell => JSON.parse(logs.stdout.join("")) as SeenCell;
  /** From the moment of a break to the one at which the service has seen it. */
  const untilSeen = async (since: number, count: number): Promise<number> => {
    while (printed(await sandbox.runCode("look")).broken < count) await setTimeout(20);
    return performance.now() - since;
  };

  const seen = printed(await sandbox.runCode("6 * 7", { language: "python", envs: { MODE: "once" } }));
  const timedOut = await sandbox.runCode("endless", { timeoutMs: 1000 }).catch((error: unknown) => error);
  const breaks: Record<string, number> = { client: await untilSeen(performance.now(), 1) };
  const plain = process.env["E2B_SANDBOX_URL"];
  const address = {
    url: plain ?? `https://${sandbox.getHost(49_999)}`,
    headers: { "e2b-sandbox-id": sandbox.sandboxId, "e2b-sandbox-port": "49999" },
  };
  for (const [at, version] of (["1.1", "2"] as const).entries()) {
    if (version === "2" && plain !== undefined) continue;
    breaks[version] = await untilSeen(await breakOffCell(address, { code: "endless" }, version), at + 2);
  }
  process.stdout.write(
    JSON.stringify({
      id: sandbox.sandboxId,
      user: user.trim(),
      isSameFile: listened === cellService,
      seen,
      timedOut: timedOut instanceof Error ? timedOut.message : "",
      breaks,
    }),
  );
} finally {
  await sandbox.kill();
}
// Connections that are kept would keep the process.
await setTimeout(0);
process.exit(0);
