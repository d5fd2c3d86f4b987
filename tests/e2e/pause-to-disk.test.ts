import assert from "node:assert/strict";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { assertClock } from "../support/guest-clock.ts";
import { startTestServer } from "../support/test-server.ts";

/*
 * A pause that keeps the disk alone, and resumes that boot it, on real machines: an emulated boot takes some seconds.
 */

const server = await startTestServer();
after(() => server.close());
const long = process.env["WRENN_TEST_LONG"] === "1" ? false : "boots many machines; run with --long";

interface CapsuleBody {
  readonly id: string;
  readonly status: string;
  readonly memory_kept?: boolean;
  readonly disk_at_boot?: string;
}

async function verb(id: string, name: "pause" | "resume", body: object): Promise<CapsuleBody> {
  const answer = await server.call<CapsuleBody>("POST", `/v1/capsules/${id}/${name}`, body);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body;
}

async function stdout(id: string, line: string): Promise<string> {
  const { stdout: text, exit_code: code, stderr } = await server.shell(id, line);
  assert.equal(code, 0, stderr);
  return text;
}

/** Names of files that memory or device state is saved in. */
async function savedMemory(id: string): Promise<readonly string[]> {
  const names = await readdir(join(server.capsulesDirectory, id, "generations"), { recursive: true });
  return names.filter((name) => /memory|device/.test(name));
}

/** What a boot changes, and what it does not. */
const facts = "cat /proc/sys/kernel/random/boot_id /etc/machine-id; hostname; ls /dev/shm; cat /root/hooks";

test("a capsule that is paused without its memory keeps its disk, is clean, and is booted by a resume", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  await stdout(
    id,
    `set -e
     mkdir -p /etc/wrenn/on-restore.d; printf '#!/bin/sh\\necho ran >> /root/hooks\\n' > /etc/wrenn/on-restore.d/note
     chmod +x /etc/wrenn/on-restore.d/note; touch /root/hooks
     echo lost > /dev/shm/file
     mkdir -p /mnt/bound; mount --bind /root /mnt/bound`,
  );
  const [bootId, machineId] = (await stdout(id, facts)).split("\n");
  // A program with a file that has no name any longer.
  await server.exec(
    id,
    "python3",
    [
      "-c",
      "import os, time\nf = open('/root/open', 'w+'); os.unlink('/root/open'); f.write('x' * 100000); f.flush(); time.sleep(1000)",
    ],
    { background: true },
  );
  await stdout(id, "head -c 8M /dev/urandom > /root/data; sha256sum /root/data > /root/sum");

  const paused = await verb(id, "pause", { memory: false });
  assert.deepEqual([paused.status, paused.memory_kept, paused.disk_at_boot], ["paused", false, undefined]);
  assert.deepEqual(await savedMemory(id), []);

  const resumed = await verb(id, "resume", {});
  assert.deepEqual(
    [resumed.status, resumed.memory_kept, resumed.disk_at_boot],
    ["running", undefined, "clean"],
  );
  await assertClock(server, id, "after a boot");
  await stdout(id, "sha256sum --check --quiet /root/sum; ! pgrep -x python3");
  const [nextBootId, nextMachineId, hostname, ...rest] = (await stdout(id, facts)).trim().split("\n");
  assert.notEqual(nextBootId, bootId);
  assert.deepEqual([nextMachineId, hostname, rest], [machineId, id, ["ran"]]);
  const { stdout: answer } = await server.shell(id, "ip route | head -n 1; cat /etc/resolv.conf");
  assert.match(answer, /^default via /);
});

test("memory of a booted capsule is kept by a pause, and given up by a resume without it: then its disk is checked", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256, auto_resume: true });
  await verb(id, "pause", { memory: false });
  // Use boots it, too.
  await stdout(id, "echo kept > /root/file; sync; echo kept > /dev/shm/file");
  await server.exec(id, "sleep", ["1000"], { background: true });
  const paused = await verb(id, "pause", {});
  assert.deepEqual([paused.status, paused.memory_kept], ["paused", true]);
  assert.ok((await savedMemory(id)).some((name) => name.endsWith("memory.diff")));
  await verb(id, "resume", { memory: true });
  assert.equal(await stdout(id, "cat /root/file /dev/shm/file; pgrep -xc sleep"), "kept\nkept\n1\n");
  await assertClock(server, id, "after a resume");

  await verb(id, "pause", { memory: true });
  const booted = await verb(id, "resume", { memory: false });
  assert.deepEqual([booted.status, booted.disk_at_boot], ["running", "checked"]);
  assert.equal(
    await stdout(id, "cat /root/file; ls /dev/shm; pgrep -xc sleep || true; touch /root/new"),
    "kept\n0\n",
  );
});

test(
  "forks and templates of a capsule that was paused without its memory are booted from its disk",
  { skip: long, timeout: 300_000 },
  async (t) => {
    const id = await server.capsule(t, { memory_mb: 256 });
    await stdout(id, "echo kept > /root/file");
    const { body: checkpoint } = await server.call<{ id: string }>(
      "POST",
      `/v1/capsules/${id}/checkpoints`,
      {},
    );
    await stdout(id, "echo later > /root/file; rm -f /usr/bin/git");
    // It does not end when it is asked to.
    await server.exec(id, "sh", ["-c", "trap '' TERM; while :; do sleep 1; done"], { background: true });
    await verb(id, "pause", { memory: false });
    const forked = await server.call<CapsuleBody[]>("POST", `/v1/capsules/${id}/fork`, { count: 2 });
    assert.equal(forked.status, 201, JSON.stringify(forked.body));
    const names = new Set<string>();
    for (const child of forked.body) {
      assert.deepEqual([child.status, child.disk_at_boot], ["running", "clean"]);
      const [file, hostname, machineId = ""] = (
        await stdout(child.id, "cat /root/file; hostname; cat /etc/machine-id")
      ).split("\n");
      assert.deepEqual([file, hostname], ["later", child.id]);
      names.add(machineId);
    }
    assert.equal(names.size, 2, "each has its machine id");
    // The memory of a booted fork is saved over empty memory, too.
    const [first] = forked.body;
    assert.ok(first);
    await stdout(first.id, "echo fork > /dev/shm/file");
    await verb(first.id, "pause", {});
    await verb(first.id, "resume", {});
    assert.equal(await stdout(first.id, "cat /dev/shm/file"), "fork\n");

    const made = await server.call("POST", "/v1/snapshots", { sandbox_id: id, name: "of-disk" });
    assert.equal(made.status, 201, JSON.stringify(made.body));
    const ofTemplate = await server.capsule(t, { template: "of-disk" });
    assert.equal(await stdout(ofTemplate, "cat /root/file; hostname"), `later\n${ofTemplate}\n`);
    assert.equal((await server.call<CapsuleBody>("GET", `/v1/capsules/${id}`)).body.memory_kept, false);
    // A template of a capsule that was booted has the memory of that.
    await verb(first.id, "pause", {});
    const second = await server.call("POST", "/v1/snapshots", { sandbox_id: first.id, name: "of-boot" });
    assert.equal(second.status, 201, JSON.stringify(second.body));
    const ofBoot = await server.capsule(t, { template: "of-boot" });
    assert.equal(await stdout(ofBoot, "cat /dev/shm/file"), "fork\n");

    const restored = await server.call<CapsuleBody>(
      "POST",
      `/v1/capsules/${id}/checkpoints/${checkpoint.id}/restore`,
    );
    assert.deepEqual([restored.status, restored.body.disk_at_boot], [200, undefined]);
    assert.equal(await stdout(id, "cat /root/file"), "kept\n");
    for (const one of [ofTemplate, ofBoot, ...forked.body.map((child) => child.id)])
      await server.call("DELETE", `/v1/capsules/${one}`);
    for (const name of ["of-disk", "of-boot"]) await server.call("DELETE", `/v1/snapshots/${name}`);
  },
);

/** Takes the superblock of a file system of 5 GiB away, and its copies. */
const destroySuperblocks = `
import os
disk = os.open('/dev/vda', os.O_WRONLY)
for group in (0, 1, 3, 5, 7, 9, 25, 27):
    os.pwrite(disk, bytes(4096), group * 32768 * 4096)
os.fsync(disk)
`;

test(
  "a disk that cannot be repaired fails the boot, and the capsule stays paused with its memory",
  { skip: long, timeout: 300_000 },
  async (t) => {
    const id = await server.capsule(t, { memory_mb: 256 });
    await stdout(id, "echo kept > /dev/shm/file");
    await server.exec(id, "python3", ["-c", destroySuperblocks]);
    await verb(id, "pause", {});
    const refused = await server.call<{ error: { reason: string } }>("POST", `/v1/capsules/${id}/resume`, {
      memory: false,
    });
    assert.deepEqual([refused.status, refused.body.error.reason], [502, "machine_died"]);
    const { body } = await server.call<CapsuleBody>("GET", `/v1/capsules/${id}`);
    assert.deepEqual([body.status, body.memory_kept], ["paused", true]);
    await verb(id, "resume", {});
    assert.equal(await stdout(id, "cat /dev/shm/file"), "kept\n");
  },
);
