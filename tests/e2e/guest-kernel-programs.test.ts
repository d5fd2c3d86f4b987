import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import type { TestContext } from "node:test";
import { addPackages } from "../support/guest-packages.ts";
import { runScript } from "../support/kernel-machine.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Programs that the image lacks, on what the kernel offers them (docs/reference/guest.md). */

const skip =
  process.env["WRENN_TEST_LONG"] === "1"
    ? false
    : "only with --long: unpacks 50 MB of packages into an emulated capsule";
const PACKAGES = [
  "bubblewrap",
  "fuse3",
  "gdb",
  "iptables",
  "runc",
  "squashfs-tools",
  "squashfuse",
  "strace",
  "wireguard-tools",
];

let server: TestServer;
let id: string;
let missing: string | undefined;
before(async () => {
  if (skip !== false) return;
  server = await startTestServer();
  id = await server.capsule(undefined, { vcpus: 2, memory_mb: 512 });
  missing = await addPackages(server, id, PACKAGES);
});
after(() => server?.close());

const run = async (script: string, user: string = "root"): Promise<string> =>
  await runScript(server, id, script, { user });

/** Whether the packages could not be fetched; the test is then skipped with the reason. */
function isWithoutPackages(t: TestContext): boolean {
  if (missing !== undefined) t.skip(missing);
  return missing !== undefined;
}

test("strace follows children, and gdb attaches to a user's own process", { skip }, async (t) => {
  if (isWithoutPackages(t)) return;
  const traced = await run(
    "strace -f -e trace=execve sh -c 'env true; env true' 2>&1 | grep -c 'execve(\"/usr/bin/env\"'",
    "user",
  );
  assert.equal(traced, "2");
  const attached = await run(
    "setsid sleep 300 & sleep_pid=$!; gdb --batch --pid $sleep_pid --eval-command 'info inferiors' 2>&1 | grep -c \"process $sleep_pid\"; kill $sleep_pid",
    "user",
  );
  assert.match(attached, /^[1-9]/);
});

test("bubblewrap confines a user's program", { skip }, async (t) => {
  if (isWithoutPackages(t)) return;
  const confined = await run(
    "bwrap --ro-bind / / --dev /dev --proc /proc --tmpfs /tmp --unshare-all sh -c 'ls /tmp | wc -l; ip -br link | wc -l; touch /root/x 2>/dev/null || echo read-only'",
    "user",
  );
  assert.equal(confined, "0\n1\nread-only");
});

test("a squashfs image is mounted by the kernel, and by a user through fusermount3", { skip }, async (t) => {
  if (isWithoutPackages(t)) return;
  await run(
    "mkdir -p /srv/s; echo packed > /srv/s/file; mksquashfs /srv/s /srv/image -quiet -no-progress >/dev/null; chmod 644 /srv/image",
  );
  assert.equal(await run("mount /srv/image /mnt; cat /mnt/file; umount /mnt"), "packed");
  // As the package's own script does, which unpacking leaves out.
  await run("chmod 4755 /bin/fusermount3");
  const by = "d=$(mktemp -d); squashfuse /srv/image $d; cat $d/file; fusermount3 -u $d";
  assert.equal(await run(by, "user"), "packed");
});

test("iptables translates addresses, by either of its backends", { skip }, async (t) => {
  if (isWithoutPackages(t)) return;
  for (const program of ["xtables-nft-multi iptables", "xtables-legacy-multi iptables"]) {
    const rule = "POSTROUTING -t nat -o eth0 -m comment --comment probe -j MASQUERADE";
    assert.match(
      await run(`${program} -A ${rule}; ${program} -t nat -S POSTROUTING; ${program} -D ${rule}`),
      /MASQUERADE/,
      program,
    );
  }
});

test("two WireGuard peers exchange packets", { skip }, async (t) => {
  if (isWithoutPackages(t)) return;
  const script = `cd $(mktemp -d); umask 077; wg genkey > a; wg genkey > b; ip netns add far
    ip link add wg0 type wireguard; ip -n far link add wg1 type wireguard
    wg set wg0 listen-port 5001 private-key a peer $(wg pubkey < b) allowed-ips 10.9.0.2/32 endpoint 10.8.0.2:5002
    ip link add p0 type veth peer name p1; ip link set p1 netns far
    ip addr add 10.8.0.1/24 dev p0; ip link set p0 up; ip -n far addr add 10.8.0.2/24 dev p1; ip -n far link set p1 up
    ip netns exec far wg set wg1 listen-port 5002 private-key b peer $(wg pubkey < a) allowed-ips 10.9.0.1/32 endpoint 10.8.0.1:5001
    ip addr add 10.9.0.1/24 dev wg0; ip link set wg0 up; ip -n far addr add 10.9.0.2/24 dev wg1; ip -n far link set wg1 up
    ip netns exec far python3 -c 'import socket; s = socket.create_server(("10.9.0.2", 7)); c, _ = s.accept(); c.sendall(b"through the tunnel")' &
    python3 - <<'END'
import socket, time
for _ in range(100):
    try:
        print(socket.create_connection(("10.9.0.2", 7), 10).recv(100).decode())
        break
    except ConnectionRefusedError:
        time.sleep(0.1)
END
    ip netns del far; ip link del wg0`;
  assert.equal(await run(script), "through the tunnel");
});

/** A root file system for containers: the one shell and what it is linked to. */
const CONTAINER_ROOT = `mkdir -p /srv/root/bin /srv/root/lib64 /srv/root/lib/x86_64-linux-gnu /srv/root/proc /srv/root/dev /srv/root/sys /srv/root/etc /srv/root/run /srv/root/tmp
  cp /bin/dash /srv/root/bin/sh; cp /bin/cat /srv/root/bin/; cp /lib64/ld-linux-x86-64.so.2 /srv/root/lib64/; cp /lib/x86_64-linux-gnu/libc.so.6 /srv/root/lib/x86_64-linux-gnu/; chmod -R a+rX /srv/root`;

test("runc runs a container with limits of its own", { skip }, async (t) => {
  if (isWithoutPackages(t)) return;
  const edit =
    "import json; c = json.load(open('config.json')); c['process'].update(terminal=False, args=['sh', '-c', 'echo inside; cat /proc/self/cgroup']); c['root']['path'] = '/srv/root'; c['linux']['resources']['memory'] = {'limit': 50 << 20}; json.dump(c, open('config.json', 'w'))";
  const shown = await run(
    `${CONTAINER_ROOT}; cd $(mktemp -d); runc spec; python3 -c "${edit}"; runc run probe`,
  );
  assert.match(shown, /^inside\n0::\//);
});
