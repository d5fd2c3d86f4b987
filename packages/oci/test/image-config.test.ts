import assert from "node:assert/strict";
import { test } from "node:test";
import { WrennError } from "@wrenn/core";
import { readImageConfig } from "@wrenn/oci";
import type { OciImageConfig } from "@wrenn/oci";

const read = (config: unknown, more: object = {}): OciImageConfig =>
  readImageConfig(Buffer.from(JSON.stringify({ os: "linux", architecture: "amd64", config, ...more })));

test("everything that an image says is read", () => {
  const diffId = `sha256:${"0".repeat(64)}`;
  const config = read(
    {
      Env: ["PATH=/bin", "EMPTY=", "A=b=c", "A=last", "NONE", "__proto__=x"],
      User: "app:staff",
      WorkingDir: "/srv",
      Shell: ["/bin/bash", "-c"],
      Entrypoint: ["/entry", "--flag"],
      Cmd: ["serve"],
      StopSignal: "SIGQUIT",
      ExposedPorts: { "8080/tcp": {}, "53/udp": {}, "80": {}, "9000-9002/tcp": {} },
      Labels: { a: "1", constructor: "2" },
      Healthcheck: { Test: ["CMD-SHELL", "curl -f localhost"], Interval: 5e9, Timeout: 1.5e9, Retries: 3 },
    },
    { variant: "v1", rootfs: { type: "layers", diff_ids: [diffId] } },
  );
  assert.deepEqual(config, {
    platform: { os: "linux", architecture: "amd64", variant: "v1" },
    diffIds: [diffId],
    env: Object.fromEntries([
      ["PATH", "/bin"],
      ["EMPTY", ""],
      ["A", "last"],
      ["__proto__", "x"],
    ]),
    user: "app:staff",
    workdir: "/srv",
    shell: ["/bin/bash", "-c"],
    entrypoint: ["/entry", "--flag"],
    cmd: ["serve"],
    stopSignal: "SIGQUIT",
    exposedPorts: ["53/udp", "80/tcp", "8080/tcp", "9000/tcp", "9001/tcp", "9002/tcp"],
    healthcheck: {
      command: { form: "shell", text: "curl -f localhost" },
      intervalMs: 5000,
      timeoutMs: 1500,
      startPeriodMs: undefined,
      retries: 3,
    },
    labels: { a: "1", constructor: "2" },
  });
});

test("what an image does not say has the values of Docker", () => {
  for (const config of [
    undefined,
    null,
    {},
    { Env: null, Cmd: null, Labels: null, ExposedPorts: null, User: "" },
  ]) {
    const { platform: _platform, ...rest } = read(config);
    assert.deepEqual(rest, {
      diffIds: [],
      env: {},
      user: "root",
      workdir: undefined,
      shell: ["/bin/sh", "-c"],
      entrypoint: [],
      cmd: [],
      stopSignal: undefined,
      exposedPorts: [],
      healthcheck: undefined,
      labels: {},
    });
  }
  assert.deepEqual(read({ Cmd: "sh" }).cmd, ["sh"]);
  assert.equal(read({ WorkingDir: "srv" }).workdir, "/srv");
  assert.equal(read({ Healthcheck: { Test: ["NONE"] } }).healthcheck, undefined);
  assert.deepEqual(read({ Healthcheck: { Test: ["CMD", "a", "b"], Interval: 0 } }).healthcheck?.command, {
    form: "exec",
    argv: ["a", "b"],
  });
});

test("a configuration that is none is refused with its field", () => {
  const cases: readonly (readonly [config: unknown, field: RegExp])[] = [
    ["text", /config is not an object/],
    [{ Env: "A=b" }, /Env is not a list/],
    [{ Env: [1] }, /Env\[0\] is not a text/],
    [{ Env: ["=x"] }, /Env has a variable without a name/],
    [{ Env: ["A=\0"] }, /Env\[0\] has a NUL/],
    [{ Env: Array.from({ length: 5000 }, () => "A=b") }, /Env has more than/],
    [{ Env: ["x".repeat(200_000)] }, /Env\[0\] is longer/],
    [{ User: {} }, /User is not a text/],
    [{ Cmd: [{}] }, /Cmd\[0\] is not a text/],
    [{ ExposedPorts: { x: {} } }, /ExposedPorts has "x"/],
    [{ ExposedPorts: { "1-65535": {} } }, /ExposedPorts has/],
    [{ ExposedPorts: { "70000/tcp": {} } }, /ExposedPorts has/],
    [{ Labels: { a: 1 } }, /Labels\.a is not a text/],
    [{ Healthcheck: { Test: ["RUN", "x"] } }, /Healthcheck\.Test begins with RUN/],
    [{ Healthcheck: { Test: ["CMD", "x"], Interval: -1 } }, /Interval is out of range/],
    [{ Healthcheck: { Test: ["CMD", "x"], Retries: "3" } }, /Retries is out of range/],
  ];
  for (const [config, field] of cases)
    assert.throws(
      () => read(config),
      (error) => {
        assert.ok(WrennError.is(error, "image_unsupported"), String(error));
        assert.match(error.message, field);
        return true;
      },
    );
  for (const bytes of [Buffer.from("{"), Buffer.from("[]"), Buffer.from([0x22, 0xff, 0x22]), Buffer.alloc(0)])
    assert.throws(
      () => readImageConfig(bytes),
      (error) => WrennError.is(error, "image_unsupported"),
    );
  assert.throws(() => read({}, { rootfs: { diff_ids: ["../x"] } }), /rootfs\.diff_ids/);
});
