import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { identifyProcess } from "@wrenn/system";
import { createQemuHypervisor } from "@wrenn/vmm";
import { machineFiles } from "../src/qemu/command-line.ts";

const signal = AbortSignal.timeout(30_000);

test("an adoption that fails closes its connection to QEMU, which serves one at a time", async (t) => {
  const directory = await mkdtemp("/tmp/wq-");
  let connections = 0;
  let isBusy = true;
  const server = createServer((socket) => {
    connections++;
    socket.on("close", () => connections--);
    socket.write('{"QMP":{}}\n');
    socket.setEncoding("utf8").on("data", (text: string) => {
      const refused = isBusy && text.includes("query-status");
      const { id } = JSON.parse(text) as { readonly id: number };
      const answer = refused ? { error: { desc: "busy" } } : { return: { status: "running" } };
      socket.write(`${JSON.stringify({ ...answer, id })}\n`);
    });
  });
  t.after(async () => {
    server.close();
    await rm(directory, { recursive: true, force: true });
  });
  await new Promise<void>((resolve) => server.listen(join(directory, machineFiles.qmp), resolve));
  const process = await identifyProcess(globalThis.process.pid);
  const record = {
    id: "m",
    uid: globalThis.process.getuid?.() ?? 0,
    memoryFile: "/memory",
    memoryMib: 64,
    identity: "QEMU",
    process,
  };
  await writeFile(join(directory, machineFiles.record), JSON.stringify(record));
  const hypervisor = await createQemuHypervisor({
    logger: silentLogger,
    accelerator: "tcg",
    tscKhz: 1_000_000,
    jail: "/nowhere/jail",
    shim: "/nowhere/shim",
    cacheDirectory: directory,
    hasRoom: async () => true,
  });

  await assert.rejects(hypervisor.adopt(directory, signal), { reason: "operation_failed" });
  await eventually("the connection is closed", () => connections === 0, { timeoutMs: 5000 });
  isBusy = false;
  const machine = await hypervisor.adopt(directory, signal);
  assert.equal(machine?.id, "m");
  await machine?.release();
});
