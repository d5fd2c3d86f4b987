import assert from "node:assert/strict";
import { test } from "node:test";
import { silentLogger } from "@wrenn/core";
import { readConfig, startServer } from "@wrenn/server";
import { pathPortsHost } from "../src/config/path-ports.ts";

const on = { WRENN_PATH_PORTS: "on" };

test("ports are served by path only where the operator wants it, on a separate host name", () => {
  assert.equal(pathPortsHost(readConfig({})), undefined);
  assert.equal(pathPortsHost(readConfig({ WRENN_PATH_PORTS: "off" })), undefined);
  assert.equal(pathPortsHost(readConfig(on)), "ports.localhost");
  assert.equal(pathPortsHost(readConfig({ ...on, WRENN_DOMAIN: "Example.org" })), "ports.example.org");
  for (const [given, host] of [
    ["Guests.Example.com.", "guests.example.com"],
    ["192.0.2.7", "192.0.2.7"],
    ["[2001:db8::7]", "[2001:db8::7]"],
  ] as const)
    assert.equal(pathPortsHost(readConfig({ ...on, WRENN_PATH_PORTS_HOST: given })), host);
});

test("a host on which the platform answers, or whose cookies it would get, is refused at the start", async () => {
  const base = {
    ...on,
    WRENN_DOMAIN: "capsules.example.org",
    WRENN_PUBLIC_URL: "https://Wrenn.example.com:8443/",
    WRENN_LISTEN: "192.0.2.1:8080",
  };
  for (const host of [
    "capsules.example.org",
    "CAPSULES.example.org.",
    "wrenn.example.com",
    "example.com",
    "org",
    "192.0.2.1",
    "localhost",
    "127.0.0.1",
    "[::1]",
    "8000-cl-x.capsules.example.org",
  ]) {
    const config = readConfig({ ...base, WRENN_PATH_PORTS_HOST: host });
    assert.throws(
      () => pathPortsHost(config),
      { reason: "invalid_field", message: /WRENN_PATH_PORTS_HOST/ },
      host,
    );
    const signal = new AbortController().signal;
    await assert.rejects(startServer({ config, logger: silentLogger, progress: () => {}, signal }), {
      message: /WRENN_PATH_PORTS_HOST/,
    });
  }
  assert.equal(pathPortsHost(readConfig(base)), "ports.capsules.example.org");
});

test("settings of path ports that make no sense are named", () => {
  for (const [name, env] of [
    ["WRENN_PATH_PORTS", { WRENN_PATH_PORTS: "yes" }],
    ["WRENN_PATH_PORTS_HOST", { WRENN_PATH_PORTS_HOST: "ports.example.org" }],
    ["WRENN_PATH_PORTS_HOST", { ...on, WRENN_PATH_PORTS_HOST: "ports.example.org:8080" }],
    ["WRENN_PATH_PORTS_HOST", { ...on, WRENN_PATH_PORTS_HOST: "ports.example.org/proxy" }],
    ["WRENN_PATH_PORTS_HOST", { ...on, WRENN_PATH_PORTS_HOST: "a@b" }],
    ["WRENN_PATH_PORTS_HOST", { ...on, WRENN_PATH_PORTS_HOST: "" }],
  ] as const)
    assert.throws(() => readConfig(env), { reason: "invalid_field", message: new RegExp(`${name} `) });
});
