import assert from "node:assert/strict";
import { access, readFile, readlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { isAlive, tryCommand } from "@wrenn/system";
import { FrozenLab } from "../support/frozen-lab.ts";
import { qemu, readyZygote } from "../support/real-machines.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";
import type { QemuOptions } from "@wrenn/vmm";

/* Machines that are forked from one QEMU have the same beginning: what may differ from there on has to differ. */

let server: TestServer;
before(async () => {
  const { promise: settled, resolve } = Promise.withResolvers<void>();
  const info = (event: string): void => {
    if (event === "host.machine_start") resolve();
  };
  server = await startTestServer({ logger: { ...silentLogger, info, warn: info } });
  await settled;
});
after(() => server.close());

async function vmmOf(id: string): Promise<{ readonly pid: number; readonly supervisor: number }> {
  const record = await readFile(join(server.capsulesDirectory, id, "run", "machine.json"), "utf8");
  const { pid } = JSON.parse(record) as { readonly pid: number };
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return { pid, supervisor: Number(/^PPid:\s+(\d+)$/m.exec(status)?.[1]) };
}

test("machines of one QEMU share its addresses, and the random numbers that they give to their guests differ", async () => {
  const ids = [await server.capsule(undefined), await server.capsule(undefined)];
  const layouts = new Set<string | undefined>();
  const numbers = new Set<string>();
  for (const id of ids) {
    const { pid, supervisor } = await vmmOf(id);
    assert.match(await readlink(`/proc/${supervisor}/exe`), /qemu-system/, "it was forked");
    layouts.add(/^([0-9a-f]+)-.*libc\.so/m.exec(await readFile(`/proc/${pid}/maps`, "utf8"))?.[1]);
    // What comes first may be in the frozen memory.
    const line = "head -c 4096 /dev/hwrng | tail -c 16 | od -An -tx1";
    const { stdout, exit_code } = await server.shell(id, line);
    assert.equal(exit_code, 0);
    assert.match(stdout, /^( [0-9a-f]{2}){16}\n$/);
    numbers.add(stdout);
  }
  assert.equal(layouts.size, 1);
  assert.equal(numbers.size, 2);
});

test("a machine whose fork was abandoned is executed, in a directory with nothing of the attempt", async () => {
  const abandoned: string[] = [];
  const zygote: QemuOptions["zygote"] = {
    fork: async ({ directory }) => {
      await writeFile(join(directory, "machine.json"), "left by the attempt");
      await writeFile(join(directory, "left"), "");
      abandoned.push(directory);
      return "abandoned";
    },
  };
  const hypervisor = await qemu(undefined, undefined, { zygote });
  const lab = await FrozenLab.open(199_091, hypervisor);
  try {
    const machine = await lab.restore(await lab.template());
    assert.match(await lab.answers(machine), /^\d/);
    assert.equal(abandoned.length, 2);
    await assert.rejects(access(join(machine.directory, "left")), { code: "ENOENT" });
    const record = JSON.parse(await readFile(join(machine.directory, "machine.json"), "utf8")) as unknown;
    assert.deepEqual(record, machine.process);
  } finally {
    await lab.close();
  }
});

test("machines start, and run on, when their zygote is killed", async () => {
  using zygote = await readyZygote();
  const lab = await FrozenLab.open(199_092, await qemu(undefined, undefined, { zygote }));
  try {
    const template = await lab.template();
    const before = await lab.restore(template);
    await tryCommand(["pkill", "-KILL", "-x", "-P", String(process.pid), "wrenn-zygote"]);
    const supervisors: string[] = [];
    await eventually(
      "machines are forked again",
      async () => {
        const machine = await lab.restore(template);
        assert.match(await lab.answers(machine), /^\d/);
        const status = await readFile(`/proc/${machine.process.pid}/status`, "utf8");
        supervisors.push(await readlink(`/proc/${/^PPid:\s+(\d+)$/m.exec(status)?.[1]}/exe`));
        await machine.destroy();
        return supervisors.at(-1)?.includes("qemu-system") ?? false;
      },
      { timeoutMs: 60_000 },
    );
    assert.match(supervisors[0] ?? "", /wrenn-jail$/, "the first after the kill is executed");
    assert.ok(await isAlive(before.process));
    assert.match(await lab.answers(before), /^\d/);
  } finally {
    await lab.close();
  }
});
