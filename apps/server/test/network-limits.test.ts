import assert from "node:assert/strict";
import { test } from "node:test";
import {
  readConnectionLimits,
  readNetworkLimits,
  readReachableNetworks,
} from "../src/config/network-limits.ts";

const MIB = 1 << 20;

test("limits of a capsule's network come from the environment: MiB a second, a burst, connections", () => {
  assert.deepEqual(readNetworkLimits({}), {});
  assert.deepEqual(readNetworkLimits({ WRENN_NETWORK_RATE: "200" }), {
    bytesPerSecond: 200 * MIB,
    burstBytes: 100 * MIB,
  });
  assert.deepEqual(readNetworkLimits({ WRENN_NETWORK_RATE: "5:7", WRENN_NETWORK_CONNECTIONS: "50" }), {
    bytesPerSecond: 5 * MIB,
    burstBytes: 7 * MIB,
    connections: 50,
  });
  assert.equal(readNetworkLimits({ WRENN_NETWORK_RATE: "100000" }).burstBytes, 2047 * MIB);
  for (const wrong of ["", "0", "-1", "1.5", "5:0", "5:", "1:61", "100001", "200:2048", "200:100:1", "many"])
    assert.throws(() => readNetworkLimits({ WRENN_NETWORK_RATE: wrong }), { reason: "invalid_field" }, wrong);
  assert.deepEqual(readNetworkLimits({ WRENN_NETWORK_CONNECTIONS: "50:9" }), {
    connections: 50,
    connectionsPerSecond: 9,
  });
  assert.deepEqual(readConnectionLimits({}), {});
  assert.deepEqual(readConnectionLimits({ WRENN_NETWORK_TEAM_CONNECTIONS: "500" }), { team: 500 });
  assert.deepEqual(readConnectionLimits({ WRENN_NETWORK_TEAM_CONNECTIONS: "500:90" }), {
    team: 500,
    teamPerSecond: 90,
  });
  for (const wrong of ["", "0", "-1", "1e3", "1000001", "5:", "5:0", "5:100001"]) {
    assert.throws(() => readNetworkLimits({ WRENN_NETWORK_CONNECTIONS: wrong }), { reason: "invalid_field" });
    assert.throws(() => readConnectionLimits({ WRENN_NETWORK_TEAM_CONNECTIONS: wrong }), {
      reason: "invalid_field",
    });
  }
});

test("networks that capsules may reach come from the environment; metadata addresses cannot be among them", () => {
  const read = (text: string) => readReachableNetworks({ WRENN_REACHABLE_NETWORKS: text });
  assert.deepEqual(readReachableNetworks({}), []);
  assert.deepEqual(read(""), []);
  assert.deepEqual(read(" 10.20.0.0/16, 192.0.2.7 "), ["10.20.0.0/16", "192.0.2.7/32"]);
  for (const wrong of ["169.254.169.254", "168.63.129.16", "mirror.example", "fd00::/8", "10.0.0.0/33"])
    assert.throws(() => read(wrong), { reason: "invalid_field" }, wrong);
});
