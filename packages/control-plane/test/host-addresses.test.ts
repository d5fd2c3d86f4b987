import assert from "node:assert/strict";
import { test } from "node:test";
import { CLOSED_NETWORKS } from "@wrenn/network";
import { HostAddresses } from "../src/hosts/host-addresses.ts";
import type { HostOrigin } from "../src/hosts/host-addresses.ts";

const open = new HostAddresses([]);
const byoc = (registered_from: string | null = null): HostOrigin => ({ type: "byoc", registered_from });
const regular = (registered_from: string | null = null): HostOrigin => ({ type: "regular", registered_from });
const internal = ["10.0.0.1", "172.16.9.9", "192.168.1.1", "100.64.0.1", "fd12::1", "192.0.2.2"];
const never = [
  "127.0.0.1",
  "127.9.9.9",
  "0.0.0.0",
  "169.254.169.254",
  "168.63.129.16",
  "100.100.100.200",
  "192.0.0.192",
  "224.0.0.1",
  "255.255.255.255",
  "::",
  "::1",
  "fe80::1",
  "ff02::1",
  "fd00:ec2::254",
  "::ffff:127.0.0.1",
  "::ffff:7f00:1",
  "::ffff:a9fe:a9fe",
  "192.80.8.124",
  "::ffff:169.254.169.254",
];

test("a host of a team is on the internet, where it registered from, or in the operator's networks", () => {
  for (const address of ["8.8.8.8", "2606:4700::1"]) assert.ok(open.permits(byoc(), address), address);
  for (const address of [...internal, ...never])
    assert.ok(!open.permits(byoc("203.0.113.9"), address), address);
  assert.ok(open.permits(byoc("10.0.0.1"), "10.0.0.1"));
  assert.ok(open.permits(byoc("10.0.0.1"), "::ffff:10.0.0.1"));
  assert.ok(!open.permits(byoc("127.0.0.1"), "127.0.0.1"), "a proxy on this machine registers for others");
  const allowed = new HostAddresses(["10.0.0.0/24", "fd12::/64", "127.0.0.1"]);
  assert.ok(allowed.permits(byoc(), "10.0.0.1") && allowed.permits(byoc(), "fd12::1"));
  assert.ok(allowed.permits(byoc(), "127.0.0.1") && !allowed.permits(byoc(), "10.0.1.1"));
  assert.ok(!allowed.permits(byoc(), "127.0.0.2"));
});

test("networks of the operator open neither metadata services nor this machine, unless they are nothing else", () => {
  const wide = new HostAddresses(["0.0.0.0/0", "::/0", "127.0.0.1/1", "::1/64", "169.254.169.254"]);
  const closed = CLOSED_NETWORKS.map((network) => network.split("/")[0] ?? "");
  for (const address of [...closed, ...never]) {
    assert.ok(!wide.permits(byoc(), address), address);
    assert.ok(!wide.permits(regular(), address), address);
    assert.ok(!wide.permits(byoc(address), address), address);
  }
  for (const address of internal) assert.ok(wide.permits(byoc(), address), address);
  assert.ok(wide.permits(regular("127.0.0.1"), "127.0.0.1"));
});

test("a host of the platform may be in private networks, and on this machine only when it registered from here", () => {
  for (const address of internal) assert.ok(open.permits(regular(), address), address);
  for (const address of never) assert.ok(!open.permits(regular(), address), address);
  assert.ok(open.permits(regular("127.0.0.1"), "127.0.0.1"));
  assert.ok(!open.permits(regular("127.0.0.1"), "127.0.0.2"));
});

test("a connection to a port that is no host's is refused for a host of a team, however it registered", () => {
  for (const port of [22, 80, 0, 65_536, Number.NaN])
    assert.ok(!open.permitsConnection(byoc(), "8.8.8.8", port), String(port));
  assert.ok(!open.permitsConnection(byoc(), "10.0.0.5", 8090), "as a host of before is after the upgrade");
  assert.ok(
    open.permitsConnection(byoc(), "8.8.8.8", 443) && open.permitsConnection(byoc(), "8.8.8.8", 8090),
  );
  assert.ok(open.permitsConnection(regular("10.0.0.5"), "10.0.0.5", 90));
});

test("an address that is no host's is refused with its reason when the host registers", () => {
  for (const address of [
    "10.0.0.1:8090",
    "[fd12::1]:8090",
    "8.8.8.8:22",
    "8.8.8.8:0",
    "8.8.8.8:65536",
    "2130706433:8090",
    "0x7f.1:8090",
    "host.0x7f000001:8090",
    "127.1:8090",
  ])
    assert.throws(() => open.requirePermitted(byoc(), address), { reason: "host_address_refused" }, address);
  for (const address of ["8.8.8.8:8090", "8.8.8.8:443", "[2606:4700::1]:9000", "host.example.org:8090"])
    open.requirePermitted(byoc(), address);
});
