import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import type { Socket } from "node:net";
import { constants } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { identifyProcess } from "@wrenn/system";
import { createQemuHypervisor } from "@wrenn/vmm";
import { machineFiles } from "../src/qemu/command-line.ts";

const owner = process.getuid?.() ?? 0;

test("the cause of a crash names the filter that ended the machine", async (t) => {
  const directory = await mkdtemp("/tmp/wq-");
  // In QEMU's place: a process, and a control socket that says that the machine runs.
  const process = spawn("sleep", ["60"]);
  const sockets: Socket[] = [];
  const server = createServer((socket) => {
    sockets.push(socket);
    socket.write('{"QMP":{}}\n');
    socket.setEncoding("utf8").on("data", (lines: string) => {
      for (const line of lines.trim().split("\n")) {
        const { id } = JSON.parse(line) as { id: number };
        socket.write(`${JSON.stringify({ return: { status: "running", running: true }, id })}\n`);
      }
    });
  });
  t.after(async () => {
    process.kill("SIGKILL");
    server.close();
    await rm(directory, { recursive: true, force: true });
  });
  await new Promise<void>((resolve) => server.listen(join(directory, machineFiles.qmp), resolve));
  const identity = await identifyProcess(process.pid ?? 0);
  const record = {
    id: "m",
    uid: owner,
    memoryFile: "/memory",
    memoryMib: 64,
    identity: "QEMU",
    process: identity,
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
  const machine = await hypervisor.adopt(directory, AbortSignal.timeout(30_000));
  const exit = { pid: process.pid, code: -1, signal: constants.signals.SIGSYS, at: Date.now() };
  await writeFile(join(directory, machineFiles.exit), JSON.stringify(exit));
  process.kill("SIGKILL");
  await once(process, "exit");
  for (const socket of sockets) socket.destroy();
  assert.deepEqual(await machine?.death, {
    kind: "crashed",
    detail: "a system call that its filter refuses",
  });
});
