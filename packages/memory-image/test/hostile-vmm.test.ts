import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { systemRandom } from "@wrenn/core";
import { pageSize, startPageServer } from "@wrenn/memory-image";
import type { PageServer } from "@wrenn/memory-image";
import { runCommand } from "@wrenn/system";

/* A VMM that keeps to the handshake and to nothing else. The page server is a thread of the server's process. */

const native = fileURLToPath(new URL("../../../native/page-server", import.meta.url));
const pages = 4096;
const id = systemRandom.uuid();
let directory = "";
let sockets = 0;

before(async () => {
  await runCommand(["make", "-s", "-C", native, "all"]);
  directory = await mkdtemp("/tmp/wpv-");
  await writeFile(join(directory, "memory"), Buffer.alloc(pages * pageSize, 1));
});
after(() => rm(directory, { recursive: true, force: true }));

class Attack implements AsyncDisposable {
  readonly server: PageServer;
  readonly #machine: ChildProcess;

  private constructor(server: PageServer, machine: ChildProcess) {
    this.server = server;
    this.#machine = machine;
  }

  static async begin(mode: string): Promise<Attack> {
    const socket = join(directory, `s${++sockets}`);
    const server = startPageServer({
      socket,
      mapping: [{ offset: 0, length: pages * pageSize, source: id, sourceOffset: 0 }],
      files: new Map([[id, join(directory, "memory")]]),
      faultAround: 16,
      handshakeMs: 5000,
    });
    const machine = spawn(join(native, "build/hostile-vmm"), [socket, String(pages), mode], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(machine.stdout, "data");
    return new Attack(server, machine);
  }

  /** Ends the server while the machine lives, which it should not. @returns how long everything else waited, in ms. */
  stop(): number {
    const begun = performance.now();
    this.server.stop();
    return performance.now() - begun;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#machine, "exit");
    this.#machine.kill("SIGKILL");
    await exited;
    this.server.stop();
  }
}

/** Seconds of a processor that the threads of this process have used. */
function used(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}

test("a machine that speaks after its handshake is given up", async () => {
  await using attack = await Attack.begin("speaks");
  assert.match((await attack.server.ended)?.message ?? "", /speaks after its handshake/);
});

test("a machine that gives pages back and misses them for ever gets a share of a processor", async () => {
  await using attack = await Attack.begin("flood");
  await sleep(2000);
  const before = used();
  await sleep(3000);
  const share = (used() - before) / 3;
  const { faults, removes } = attack.server.report();
  assert.ok(faults + removes > pages * 4 + 65_536, `${faults} faults and ${removes} given back are no flood`);
  assert.ok(share < 0.5, `${share.toFixed(2)} processors`);
  assert.ok(attack.stop() < 500);
});

test("a machine that makes the kernel refuse its pages for ever costs no processor", async () => {
  await using attack = await Attack.begin("unregister");
  attack.server.fill(Uint32Array.from({ length: pages }, (_, page) => page));
  await sleep(2000);
  const before = used();
  await sleep(2000);
  const share = (used() - before) / 2;
  assert.ok(share < 0.25, `${share.toFixed(2)} processors`);
  assert.equal(attack.server.report().complete, false);
  assert.match((await attack.server.ended)?.message ?? "", /does not take its pages/);
});

suite("a machine that makes the thread of its page server block does not block the server", () => {
  for (const mode of ["linger", "linger-after", "blocking"])
    test(mode, async () => {
      await using attack = await Attack.begin(mode);
      await sleep(300);
      const took = attack.stop();
      assert.ok(took < 1000, `${took} ms`);
    });
});
