/*
 * @computesdk/e2b as its users have it: E2B_API_KEY, where the server is, and nothing else. Prints what it saw.
 */
import { e2b } from "@computesdk/e2b";
import { compute } from "computesdk";

compute.setConfig({ provider: e2b({ apiKey: process.env.E2B_API_KEY }) });

const sandbox = await compute.sandbox.create({
  templateId: "minimal",
  timeout: 300_000,
  envs: { MODE: "set" },
});
const counted = await sandbox.runCommand("sh -c 'python3 -c \"print(sum(range(10)))\"; echo $MODE $OWN'", {
  env: { OWN: "once" },
  cwd: "/tmp",
});
const failed = await sandbox.runCommand("echo problem >&2; exit 7");
await sandbox.filesystem.mkdir("/tmp/data");
await sandbox.filesystem.writeFile("/tmp/data/a.txt", "kept");
const names = (await sandbox.filesystem.readdir("/tmp/data")).map(({ name }) => name);
const text = await sandbox.filesystem.readFile("/tmp/data/a.txt");
await sandbox.filesystem.remove("/tmp/data/a.txt");
const isThere = await sandbox.filesystem.exists("/tmp/data/a.txt");
const snapshot = await compute.snapshot.create(sandbox.sandboxId);
const restored = await compute.sandbox.create({ templateId: snapshot.id });
const found = await restored.filesystem.exists("/tmp/data");
const listed = new Set((await compute.sandbox.list()).map(({ sandboxId }) => sandboxId));
const again = await compute.sandbox.getById(sandbox.sandboxId);
const url = await sandbox.getUrl({ port: 8000 });
await Promise.all([sandbox.destroy(), restored.destroy()]);
const gone = await compute.sandbox.getById(sandbox.sandboxId);

process.stdout.write(
  JSON.stringify({
    id: sandbox.sandboxId,
    counted: [counted.stdout, counted.exitCode],
    failed: [failed.stderr, failed.exitCode],
    names,
    text,
    isThere,
    found,
    isListed: listed.has(sandbox.sandboxId) && listed.has(restored.sandboxId),
    again: again?.sandboxId,
    url,
    gone,
  }),
);
process.exit(0);
