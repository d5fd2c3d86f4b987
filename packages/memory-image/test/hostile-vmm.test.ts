import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chmod, chown, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { systemRandom } from "@wrenn/core";
import { pageSize, startPageServer } from "@wrenn/memory-image";
import type { PageServer } from "@wrenn/memory-image";
import { buildPrograms, machineUid, programs, startProgram } from "./support/jailed-program.ts";

/* A VMM that keeps to the handshake and to nothing else. The page server is a program of its own, which is killed. */

const pages = 4096;
const id = systemRandom.uuid();
let directory = "";
let sockets = 0;

before(async () => {
  await buildPrograms();
  directory = await mkdtemp("/tmp/wpv-");
  await chmod(directory, 0o755);
  await writeFile(join(directory, "memory"), Buffer.alloc(pages * pageSize, 1));
});
after(() => rm(directory, { recursive: true, force: true }));

class Attack implements AsyncDisposable {
  readonly server: PageServer;
  readonly #machine: ChildProcess;

  readonly pid: number;

  private constructor(server: PageServer, pid: number, machine: ChildProcess) {
    this.server = server;
    this.pid = pid;
    this.#machine = machine;
  }

  static async begin(mode: string): Promise<Attack> {
    const home = join(directory, `s${++sockets}`);
    const { pid, socket, ...program } = await startProgram(home, [join(directory, "memory")]);
    await Promise.all([home, socket].map((path) => chown(path, machineUid, machineUid)));
    const server = startPageServer({
      program,
      mapping: [{ offset: 0, length: pages * pageSize, source: id, sourceOffset: 0 }],
      files: [id],
      faultAround: 16,
      handshakeMs: 5000,
    });
    const machine = spawn(programs.hostileVmm, [socket, String(pages), mode, String(machineUid)], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await once(machine.stdout, "data");
    return new Attack(server, pid, machine);
  }

  /** Has every page brought in. */
  fill(): void {
    this.server.fill(Array.from({ length: 1 }, () => ({ first: 0, count: pages })));
  }

  /** Ends the server while the machine lives, which it should not. @returns how long everything else waited, in ms. */
  async stop(): Promise<number> {
    const begun = performance.now();
    await this.server.stop();
    return performance.now() - begun;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const exited = once(this.#machine, "exit");
    this.#machine.kill("SIGKILL");
    await exited;
    await this.server.stop();
  }
}

/** Seconds of a processor that the program has used. */
async function used({ pid }: Attack): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

test("a machine that speaks after its handshake is given up", async () => {
  await using attack = await Attack.begin("speaks");
  assert.match((await attack.server.ended)?.message ?? "", /speaks after its handshake/);
});

test("a machine that gives pages back and misses them for ever gets a share of a processor", async () => {
  await using attack = await Attack.begin("flood");
  await sleep(2000);
  const before = await used(attack);
  await sleep(3000);
  const share = ((await used(attack)) - before) / 3;
  const { faults, removes } = await attack.server.report();
  assert.ok(faults + removes > pages * 4 + 65_536, `${faults} faults and ${removes} given back are no flood`);
  assert.ok(share < 0.5, `${share.toFixed(2)} processors`);
  assert.ok((await attack.stop()) < 500);
});

test("a machine that makes the kernel refuse its pages for ever costs no processor", async () => {
  await using attack = await Attack.begin("unregister");
  attack.fill();
  await sleep(2000);
  const before = await used(attack);
  await sleep(2000);
  const share = ((await used(attack)) - before) / 2;
  assert.ok(share < 0.25, `${share.toFixed(2)} processors`);
  assert.equal(attack.server.isComplete(), false);
  assert.match((await attack.server.ended)?.message ?? "", /does not take its pages/);
});

suite("a machine that makes the thread of its page server block does not block the server", () => {
  for (const mode of ["linger", "linger-after", "blocking"])
    test(mode, async () => {
      await using attack = await Attack.begin(mode);
      await sleep(300);
      const took = await attack.stop();
      assert.ok(took < 1000, `${took} ms`);
    });
});
