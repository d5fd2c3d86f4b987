import assert from "node:assert/strict";
import { after, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { startTestServer } from "../support/test-server.ts";

const server = await startTestServer();
after(() => server.close());

/** Names of a capsule: its kernel's, its files', and what it resolves. */
async function namesOf(id: string): Promise<{ readonly hostname: string; readonly machineId: string }> {
  const { stdout } = await server.shell(id, "hostname; cat /etc/machine-id");
  const [hostname = "", machineId = ""] = stdout.split("\n");
  return { hostname, machineId };
}

async function fork(id: string): Promise<string> {
  const { status, body } = await server.call<{ id: string }[]>("POST", `/v1/capsules/${id}/fork`, {
    count: 1,
  });
  assert.equal(status, 201, JSON.stringify(body));
  return body[0]?.id ?? "";
}

test("a fork keeps what users wrote into the files that name it, through links and mounts too", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  const prepared = await server.shell(
    id,
    `set -e
     echo "10.0.0.5 db # ours" >> /etc/hosts; sed -i 's/^127.0.1.1.*/& web/' /etc/hosts
     chmod 664 /etc/hosts; chown user:user /etc/hosts; mv /etc/hosts /root/hosts; ln -s /root/hosts /etc/hosts
     mkdir -p /var/lib/dbus; cp /etc/machine-id /var/lib/dbus/machine-id; ln -sf /var/lib/dbus/machine-id /etc/machine-id
     echo "# comment" > /root/name; cat /etc/hostname >> /root/name; mount --bind /root/name /etc/hostname`,
  );
  assert.equal(prepared.exit_code, 0, prepared.stderr);
  const child = await fork(id);
  const parentNames = await namesOf(id);
  const childNames = await namesOf(child);
  assert.deepEqual([parentNames.hostname, childNames.hostname], [id, child]);
  assert.match(childNames.machineId, /^[0-9a-f]{32}$/);
  assert.notEqual(childNames.machineId, parentNames.machineId);
  const { stdout } = await server.shell(
    child,
    "cat /etc/hosts; stat -L -c '%U %a' /etc/hosts; readlink /etc/hosts /etc/machine-id; cat /etc/hostname; getent hosts $(hostname)",
  );
  assert.equal(
    stdout.replace(/ +/g, " "),
    `127.0.0.1 localhost\n127.0.1.1 ${child} web\n::1 ip6-localhost\n10.0.0.5 db # ours\n` +
      `user 664\n/root/hosts\n/var/lib/dbus/machine-id\n# comment\n${child}\n127.0.1.1 ${child} web\n`,
  );
});

/** Sets the flag that chattr(1) calls immutable. */
const immutable =
  "import fcntl, struct; fcntl.ioctl(open('/etc/machine-id'), 0x40086602, struct.pack('l', 0x10))";

test("files that cannot be written keep neither a fork nor a template from starting", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  const prepared = await server.shell(
    id,
    `set -e
     rm /etc/hosts; mkfifo /etc/hosts
     rm /etc/hostname; mkdir /etc/hostname
     python3 -c "${immutable}"`,
  );
  assert.equal(prepared.exit_code, 0, prepared.stderr);
  const child = await fork(id);
  assert.equal((await namesOf(child)).hostname, child);
  const random = "head -c 16 /dev/urandom | base64";
  assert.notEqual((await server.shell(child, random)).stdout, (await server.shell(id, random)).stdout);
  await server.shell(
    id,
    "rm /etc/hosts; ln -s /nowhere/hosts /etc/hosts; rmdir /etc/hostname; ln -s /dev/zero /etc/hostname",
  );
  const made = await server.call("POST", "/v1/snapshots", { sandbox_id: id, name: "odd-names" });
  assert.equal(made.status, 201, JSON.stringify(made.body));
  const fromTemplate = await server.capsule(t, { template: "odd-names" });
  assert.equal((await namesOf(fromTemplate)).hostname, fromTemplate);
  assert.equal((await server.shell(fromTemplate, "ls /nowhere 2>&1")).exit_code, 2, "nothing was made there");
  for (const one of [child, fromTemplate]) await server.call("DELETE", `/v1/capsules/${one}`);
  assert.equal((await server.call("DELETE", "/v1/snapshots/odd-names")).status, 204);
});

test("a file system that does not answer delays a fork by seconds and does not stop it", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  assert.equal((await server.shell(id, "fsfreeze -f /")).exit_code, 0);
  const child = await fork(id);
  for (const one of [id, child])
    assert.equal((await server.shell(one, "fsfreeze -u / && hostname")).stdout, `${one}\n`);
  await eventually("what was not written in time is written later", async () => {
    const { stdout } = await server.shell(child, "cat /etc/hostname");
    return stdout === `${child}\n`;
  });
});

test("directories that every user may write are what a Debian system has, and a user has a runtime directory", async (t) => {
  const id = await server.capsule(t, { memory_mb: 256 });
  const shared = "/tmp /var/tmp /run/lock /dev/shm /dev/mqueue";
  const { stdout } = await server.shell(id, `stat -c '%n %a' ${shared} /run/user /run /dev/pts`);
  assert.deepEqual(stdout.trim().split("\n"), [
    ...shared.split(" ").map((path) => `${path} 1777`),
    "/run/user 755",
    "/run 755",
    "/dev/pts 755",
  ]);
  for (const [user, uid] of [
    ["user", 1000],
    ["root", 0],
  ] as const) {
    const line = `for d in ${shared}; do touch $d/by-$(id -un) || exit 1; done; echo $XDG_RUNTIME_DIR; stat -c '%U:%G %a' $XDG_RUNTIME_DIR`;
    const ran = await server.shell(id, line, { user });
    assert.equal(ran.stdout, `/run/user/${uid}\n${user}:${user} 700\n`, ran.stderr);
    const streams = await server.shell(id, "echo out > /dev/stdout; echo err > /dev/stderr", { user });
    assert.deepEqual([streams.stdout, streams.stderr], ["out\n", "err\n"]);
  }
});
