import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createDestinations } from "../src/destinations.ts";
import { parseHostRoutes } from "../src/host-routes.ts";
import { isClosedAddress, isPublicAddress } from "../src/special-networks.ts";

const METADATA =
  "169.254.169.254 168.63.129.16 100.100.100.200 100.80.80.80 100.96.0.96 192.0.0.192 192.80.8.124".split(
    " ",
  );

test("private networks are opened by the operator's list, and metadata by nothing", () => {
  const { isReachable: usual } = createDestinations([]);
  for (const address of ["8.8.8.8", "203.0.113.9", "100.128.0.1", "172.32.0.1"])
    assert.equal(usual(address), true, address);
  for (const address of ["10.1.2.3", "172.16.0.1", "192.168.0.1", "100.64.0.1", "161.26.0.10", "166.9.1.1"])
    assert.equal(usual(address), false, address);
  const wide = createDestinations(["10.1.0.0/16", "10.1.2.0/24", "100.64.0.0/10", "192.0.0.0/24"]);
  assert.deepEqual(wide.opened, ["10.1.0.0/16", "100.64.0.0/10", "192.0.0.0/24"]);
  for (const address of ["10.1.2.3", "100.64.0.1", "192.0.0.1"])
    assert.equal(wide.isReachable(address), true, address);
  for (const address of ["10.2.0.1", "127.0.0.1", "224.0.0.1", ...METADATA])
    assert.equal(wide.isReachable(address), false, address);
  for (const closed of ["169.254.169.254", "169.254.0.0/16", "168.63.129.16/32", "127.0.0.1", "::1", "lan"])
    assert.throws(() => createDestinations([closed]), { reason: "invalid_field" }, closed);
});

test("what the server itself may send to is what capsules may, without the operator's networks", () => {
  const { isReachable } = createDestinations([]);
  fc.assert(
    fc.property(fc.ipV4(), (address) => {
      if (isPublicAddress(address)) assert.equal(isReachable(address), true);
    }),
  );
  for (const address of METADATA) assert.equal(isPublicAddress(address), false, address);
});

test("closed addresses are those of this machine, of one link, of all and of clouds' services, in both families", () => {
  const own =
    "0.0.0.0 127.0.0.1 224.0.0.1 :: ::1 ::ffff:127.0.0.1 ::ffff:169.254.169.254 fe80::1 fe80::1%lo ff02::1";
  const services = "fd00:ec2::254 fd00:ec2::23 fd20:ce::254 fd00:c1::a9fe:a9fe";
  for (const address of [...own.split(" "), ...METADATA, ...services.split(" "), "nonsense"])
    assert.equal(isClosedAddress(address), true, address);
  // IPv6 addresses that gateways take for IPv4 ones.
  for (const within of [
    "64:ff9b::a9fe:a9fe",
    "64:ff9b::169.254.169.254",
    "64:ff9b:1::a9fe:a9fe",
    "64:ff9b:1:2:3::7f00:1",
    "::a9fe:a9fe",
    "::169.254.169.254",
    "::ffff:0:a9fe:a9fe",
    "2002:a9fe:a9fe::1",
    "2002:6450:5050::",
  ])
    assert.equal(isClosedAddress(within), true, within);
  for (const address of [
    "10.1.2.3",
    "100.96.0.97",
    "8.8.8.8",
    "fd00::1",
    "2606:4700::1111",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "::ffff:0:808:808",
    "2002:808:808::1",
    "2001:db8::a9fe:a9fe",
  ])
    assert.equal(isClosedAddress(address), false, address);
});

test("connected networks and uplinks without a router are read from the host's routes, of every table", () => {
  const routes = [
    { dst: "default", gateway: "192.0.2.1", dev: "eth0", scope: "global" },
    { dst: "192.0.2.0/24", dev: "eth0", scope: "link", prefsrc: "192.0.2.2" },
    { dst: "192.0.2.0/25", dev: "eth0", scope: "link", table: "100" },
    { dst: "198.51.100.7", dev: "tun0", scope: "link", table: "100" },
    { dst: "203.0.113.0/24", via: { family: "inet6", host: "fe80::1" }, dev: "eth0" },
    { dst: "default", dev: "ppp0", scope: "link", table: "7" },
    { dst: "128.0.0.0/1", dev: "wg0", scope: "link" },
    { dst: "default", via: { family: "inet6", host: "fe80::1" }, dev: "eth1" },
    { dst: "default", nexthops: [{ gateway: "192.0.2.1", dev: "eth0" }, { dev: "ppp1" }] },
    { dst: "10.11.0.5", dev: "wr-1a2b-5", scope: "link" },
    { type: "blackhole", dst: "10.11.0.0/16" },
    { type: "local", dst: "192.0.2.2", dev: "eth0", scope: "host", table: "local" },
    { type: "broadcast", dst: "192.0.2.255", dev: "eth0", scope: "link", table: "local" },
  ];
  assert.deepEqual(parseHostRoutes(JSON.stringify(routes)), {
    connected: ["192.0.2.0/24", "198.51.100.7/32"],
    uplinks: ["ppp0", "wg0", "eth1", "ppp1"],
  });
});
