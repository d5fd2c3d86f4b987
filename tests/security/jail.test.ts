import assert from "node:assert/strict";
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, before, suite, test } from "node:test";
import { silentLogger } from "@wrenn/core";
import type { LogFields } from "@wrenn/core";
import { readFileIfPresent } from "@wrenn/system";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/** What the supervisors of machines execute: QEMU where they were forked from one, and otherwise the jail. */
const ways = { zygote: /\/qemu-system-x86_64$/, exec: /\/wrenn-jail$/ } as const;

async function machineOf(server: TestServer, id: string): Promise<number> {
  const record = await readFile(join(server.capsulesDirectory, id, "run", "machine.json"), "utf8");
  return (JSON.parse(record) as { pid: number }).pid;
}

async function statusOf(pid: number, thread = pid): Promise<ReadonlyMap<string, string>> {
  const text = await readFile(`/proc/${pid}/task/${thread}/status`, "utf8");
  return new Map(
    text.split("\n").map((line) => [line.split(":")[0] ?? "", line.split(":")[1]?.trim() ?? ""]),
  );
}

for (const machineStart of ["zygote", "exec"] as const) {
  suite(`machines that are started by ${machineStart}`, () => {
    let server: TestServer;
    const pids: number[] = [];
    before(async () => {
      const { promise: started, resolve } = Promise.withResolvers<LogFields | undefined>();
      const info = (event: string, fields?: LogFields): void => {
        if (event === "host.machine_start") resolve(fields);
      };
      server = await startTestServer({
        config: { machineStart },
        logger: { ...silentLogger, info, warn: info },
      });
      assert.deepEqual(await started, { way: machineStart });
      // Another frozen template beside theirs.
      await server.capsule(undefined);
      for (let n = 0; n < 2; n++)
        pids.push(await machineOf(server, await server.capsule(undefined, { memory_mb: 256 })));
    });
    after(() => server.close());

    test("they were started in that way", async () => {
      for (const pid of pids) {
        const supervisor = (await statusOf(pid)).get("PPid") ?? "";
        assert.match(await readlink(`/proc/${supervisor}/exe`), ways[machineStart]);
      }
    });

    test("each machine runs as a user of its own, without capabilities, under seccomp, and can gain nothing", async () => {
      const users = new Set<string>();
      for (const pid of pids) {
        // Rights belong to threads.
        for (const thread of await readdir(`/proc/${pid}/task`)) {
          const status = await statusOf(pid, Number(thread));
          const [real, effective, saved, fs] = (status.get("Uid") ?? "").split(/\s+/);
          assert.ok(Number(real) >= 200_000, `uid ${real}`);
          assert.deepEqual([effective, saved, fs], [real, real, real]);
          assert.equal(status.get("Groups"), "", "no supplementary groups");
          for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
            assert.match(status.get(set) ?? "", /^0+$/, `${set} is empty`);
          assert.equal(status.get("NoNewPrivs"), "1");
          assert.equal(status.get("Seccomp"), "2");
          // The jail's list of allowed calls, and QEMU's list of refused ones.
          assert.equal(status.get("Seccomp_filters"), "2");
          users.add(real ?? "");
        }
      }
      assert.equal(users.size, pids.length);
    });

    test("no file that a machine writes can grow beyond its disk and its tables", async () => {
      for (const pid of pids) {
        const limits = await readFile(`/proc/${pid}/limits`, "utf8");
        const bytes = Number(/^Max file size +(\d+) +(\d+) +bytes/m.exec(limits)?.[2]);
        assert.ok(bytes > 5120 * 2 ** 20 && bytes < 5500 * 2 ** 20, limits);
      }
    });

    test("a guest gives space back to the host, and its flushes and console are within its machine's filter", async () => {
      const id = await server.capsule(undefined);
      const pid = await machineOf(server, id);
      const disk = join(server.capsulesDirectory, id, "disk");
      const occupied = async (): Promise<number> => {
        const sizes = await Promise.all(
          (await readdir(disk)).map(async (name) => await stat(join(disk, name))),
        );
        return sizes.reduce((sum, { blocks }) => sum + blocks * 512, 0);
      };
      const write =
        "head -c 64M /dev/urandom > /root/large; sync; head -c 100000 /dev/zero | base64 > /dev/ttyS0";
      assert.equal((await server.shell(id, write)).exit_code, 0);
      const full = await occupied();
      const { exit_code, stdout, stderr } = await server.shell(
        id,
        "rm /root/large; sync; fstrim / && echo trimmed",
      );
      assert.deepEqual([exit_code, stdout], [0, "trimmed\n"], stderr);
      assert.ok((await occupied()) < full - (32 << 20), `${full} bytes before, ${await occupied()} after`);
      assert.equal(await machineOf(server, id), pid);
    });

    test("a machine has few descriptors, threads and no locked memory, core dumps or message queues", async () => {
      for (const pid of pids) {
        const limits = await readFile(`/proc/${pid}/limits`, "utf8");
        for (const [name, most] of Object.entries({
          "Max open files": 512,
          "Max processes": 512,
          "Max locked memory": 0,
          "Max core file size": 0,
          "Max msgqueue size": 0,
        }))
          assert.match(limits, new RegExp(`^${name} +${most} +${most} `, "m"));
        const used = (await readdir(`/proc/${pid}/fd`)).length;
        const threads = (await readdir(`/proc/${pid}/task`)).length;
        assert.ok(used < 128 && threads < 128, `${used} descriptors, ${threads} threads`);
      }
    });

    test("a machine has QEMU with its libraries and firmware, and no other program of the host", async () => {
      for (const pid of pids) {
        const usr = `/proc/${pid}/root/usr`;
        assert.deepEqual(await readdir(join(usr, "bin")), ["qemu-system-x86_64"]);
        assert.deepEqual((await readdir(usr)).toSorted(), ["bin", "lib", "lib64", "share"]);
        const all = await readdir(usr, { recursive: true });
        assert.ok(all.length < 150, `${all.length} files and directories`);
        assert.deepEqual(
          all.filter((name) => /perl|python|\/(sh|bash)$/.test(name)),
          [],
        );
      }
    });

    test("what the host keeps about machines and networks is readable by its owner only", async () => {
      const run = join(server.capsulesDirectory, await server.capsule(undefined), "run");
      for (const path of [
        join(run, "machine.json"),
        join(run, "record.json"),
        "/run/wrenn",
        "/run/wrenn/instances",
      ]) {
        const { mode } = await stat(path);
        assert.equal(mode & 0o077, 0, path);
      }
      const instances = await readdir("/run/wrenn/instances");
      assert.ok(instances.length > 0);
      const modes = await Promise.all(
        instances.map(async (name) => (await stat(join("/run/wrenn/instances", name))).mode),
      );
      assert.ok(modes.some((mode) => (mode & 0o777) === 0o600));
    });

    test("each machine has mount, pid, ipc, uts and network namespaces of its own", async () => {
      for (const kind of ["mnt", "pid", "ipc", "uts", "net"]) {
        const all = await Promise.all(
          [process.pid, ...pids].map((pid) => readlink(`/proc/${pid}/ns/${kind}`)),
        );
        assert.equal(new Set(all).size, all.length, `${kind} is shared: ${all.join(" ")}`);
      }
    });

    test("a machine sees its own files and nothing else of the host", async () => {
      const [pid = 0] = pids;
      const root = `/proc/${pid}/root`;
      const seen: string[] = [];
      for (const path of [
        "etc/shadow",
        "root",
        "home",
        "var/log",
        "proc/1/environ",
        "sys/kernel",
        server.dataDirectory.slice(1),
        "etc/passwd",
      ]) {
        const found = await stat(join(root, path)).catch(() => undefined);
        if (!found) continue;
        // Directories on the way to its own files exist; they hold nothing but that way.
        if (found.isDirectory() && path === server.dataDirectory.slice(1)) {
          assert.deepEqual(
            (await readdir(join(root, path))).filter((name) => name !== "bases"),
            [],
          );
        } else seen.push(path);
      }
      assert.deepEqual(seen, []);
      const bases = await readdir(join(root, server.dataDirectory, "bases"));
      assert.equal(bases.length, 1, "of the templates it sees the one that it was started from");
    });

    test("what a machine sees of the system is read-only, and set-uid programs gain it nothing", async () => {
      for (const pid of pids) {
        for (const line of (await readFile(`/proc/${pid}/mountinfo`, "utf8")).trim().split("\n")) {
          const [, , , , point = "", options = ""] = line.split(" ");
          assert.match(options, /(^|,)ro(,|$)/, `${point} is writable: ${options}`);
          assert.match(options, /nosuid/, `${point}: ${options}`);
        }
      }
    });

    test("a machine's files cannot be read by other users of the host", async () => {
      const directories = [
        server.capsulesDirectory,
        join(server.dataDirectory, "layers"),
        join(server.dataDirectory, "templates"),
      ];
      for (const id of await readdir(server.capsulesDirectory)) {
        for (const name of ["disk", "run", "generations"])
          directories.push(join(server.capsulesDirectory, id, name));
      }
      for (const directory of directories) {
        const { mode } = await stat(directory);
        assert.equal(mode & 0o006, 0, `${directory} has mode ${(mode & 0o777).toString(8)}`);
      }
    });

    test("each machine is held by limits of memory, processes and CPU", async () => {
      for (const pid of pids) {
        const groups = await readFile(`/proc/${pid}/cgroup`, "utf8");
        assert.match(groups, /wrenn/, groups);
        const unified = /^0::(\S*wrenn\S*)$/m.exec(groups)?.[1];
        const memory = /^\d+:memory:(\S+)$/m.exec(groups)?.[1];
        const limit =
          memory === undefined
            ? await readFile(`/sys/fs/cgroup${unified}/memory.max`, "utf8")
            : await readFile(`/sys/fs/cgroup/memory${memory}/memory.limit_in_bytes`, "utf8");
        assert.ok(Number(limit) > 256 << 20 && Number(limit) < 2 ** 31, `memory limit ${limit.trim()}`);
        // With version 1 the limit is of memory and swap together. A kernel that counts no swap has neither file.
        const swap = await readFileIfPresent(
          memory === undefined
            ? `/sys/fs/cgroup${unified}/memory.swap.max`
            : `/sys/fs/cgroup/memory${memory}/memory.memsw.limit_in_bytes`,
        );
        if (swap !== undefined) assert.equal(Number(swap), memory === undefined ? 0 : Number(limit));
      }
    });

    test("secrets of the server are in no file and no environment of a machine", async () => {
      for (const pid of pids) {
        const environment = await readFile(`/proc/${pid}/environ`, "utf8");
        const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8");
        assert.ok(!environment.includes(server.apiKey) && !commandLine.includes(server.apiKey));
        for (const name of Object.keys(process.env)) {
          if (name.startsWith("npm_") || ["HOME", "USER", "LOGNAME", "SHELL", "PWD"].includes(name))
            assert.ok(!environment.includes(`${name}=`), `${name} reached the machine`);
        }
      }
    });
  });
}
