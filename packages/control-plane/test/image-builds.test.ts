import assert from "node:assert/strict";
import { after, test } from "node:test";
import { silentLogger, systemClock, WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import type { BuildCapsules } from "../src/builds/build-capsules.ts";
import { CapsuleBuilder } from "../src/builds/capsule-builder.ts";
import type { BuildReport } from "../src/builds/template-builder.ts";
import { BuildLab } from "./support/build-lab.ts";
import { reasonOf } from "./support/test-platform.ts";

const signal = AbortSignal.timeout(60_000);
const lab = await BuildLab.open();
after(() => lab[Symbol.asyncDispose]());
const { host, builder, platform } = lab;

test("a build starts from an image that its host imports, with the settings of the image", async () => {
  const image = host.images.add("python:3.12", "a", {
    env: { PATH: "/usr/local/bin:/bin", PYTHON_VERSION: "3.12.9" },
    user: "1000:50",
    workdir: "/srv",
    entrypoint: ["/entry"],
    cmd: ["python3"],
    healthcheck: { argv: ["true"], intervalMs: 30_000, startPeriodMs: 1000 },
  });
  const id = await lab.startText(
    "web",
    'FROM python:3.12\nENV A=$PYTHON_VERSION\nRUN echo built\nCMD ["serve"]\n',
  );
  const build = await lab.reaches(id, "success");
  assert.equal(build["base_template"], "python:3.12");
  assert.deepEqual((await lab.lines(id)).filter((line) => !line.includes("downloading")).slice(0, 4), [
    "system importing the image",
    `stdout python:3.12 is ${image.digest}`,
    "system done",
    "system ENV A=$PYTHON_VERSION",
  ]);
  const { base, config, fromImage, steps } = builder.last ?? assert.fail();
  assert.deepEqual([base.hostKey, base.diskMib, fromImage], [image.template, 5120, true]);
  const { env, user, workdir, entrypoint, cmd, healthcheck } = config;
  assert.deepEqual(
    { env, user, workdir, entrypoint, cmd },
    {
      env: { LANG: "C.UTF-8", PATH: "/usr/local/bin:/bin", PYTHON_VERSION: "3.12.9", A: "3.12.9" },
      user: "1000:50",
      workdir: "/srv",
      entrypoint: ["/entry"],
      cmd: ["serve"],
    },
  );
  assert.deepEqual(healthcheck, {
    argv: ["true"],
    intervalMs: 3000,
    timeoutMs: 30_000,
    startPeriodMs: 1000,
    retries: 0,
    deadlineMs: 301_000,
  });
  assert.deepEqual(
    [steps[1]?.state.user, steps[1]?.state.cwd, steps[1]?.state.environment["A"]],
    ["1000:50", "/srv", "3.12.9"],
  );
  assert.deepEqual(Object.keys(build["durations"] as object).sort(), [
    "freeze_ms",
    "import_ms",
    "smoke_test_ms",
  ]);
});

test("stop signal, ports and labels of an image are kept with the template, and templates made of it inherit them", async () => {
  const labels = { maker: "team", "org.example.notes": "two\nlines" };
  host.images.add("served:1", "f", { stopSignal: "SIGINT", exposedPorts: ["53/udp", "80/tcp"], labels });
  const versionOf = async (name: string): Promise<object> => {
    const { body } = await lab.call("GET", `/v1/templates/${name}`);
    const [version] = body["versions"] as Record<string, unknown>[];
    const { stop_signal, exposed_ports, labels: found } = version ?? assert.fail();
    return { stop_signal, exposed_ports, labels: found };
  };
  await lab.reaches(await lab.startText("served", "FROM served:1\n"), "success");
  const inherited = { stop_signal: "SIGINT", exposed_ports: ["53/udp", "80/tcp"], labels };
  assert.deepEqual(await versionOf("served"), inherited);
  await lab.reaches(await lab.startText("plain", "FROM served\nRUN echo x\n"), "success");
  assert.deepEqual(await versionOf("plain"), inherited);
  const recipe = "FROM plain\nSTOPSIGNAL QUIT\nEXPOSE 8080\nLABEL maker=other\n";
  await lab.reaches(await lab.startText("changed", recipe), "success");
  assert.deepEqual(await versionOf("changed"), {
    stop_signal: "SIGQUIT",
    exposed_ports: ["53/udp", "80/tcp", "8080/tcp"],
    labels: { ...labels, maker: "other" },
  });
  await lab.reaches(await lab.start("lines", ["RUN echo x"], { base_template: "plain" }), "success");
  assert.deepEqual(await versionOf("lines"), inherited);
  await lab.reaches(await lab.startText("none", "FROM minimal\nRUN echo x\n"), "success");
  assert.deepEqual(await versionOf("none"), { stop_signal: undefined, exposed_ports: [], labels: {} });
});

test("a template of the team is meant before an image of its name", async () => {
  host.images.add("tool", "b");
  await lab.reaches(await lab.start("tool", ["RUN echo one"]), "success");
  await lab.reaches(await lab.startText("other", "FROM tool\nRUN echo two\n"), "success");
  assert.equal(builder.last?.fromImage, false);
  await lab.reaches(await lab.startText("other", "FROM minimal\nRUN echo two\n"), "success");
  assert.equal(builder.last?.base.hostKey, "minimal");
  const another = await lab.call("POST", "/v1/builds", { name: "other", recipe_text: "FROM tool:v9\n" });
  assert.deepEqual([another.status, reasonOf(another)], [404, "template_tag_not_found"]);
});

test("a built-in template has the default tag alone: other tags of its name are an image's", async () => {
  const missing = await lab.call("POST", "/v1/builds", { name: "x", recipe_text: "FROM python\n" });
  assert.deepEqual([missing.status, reasonOf(missing)], [404, "template_not_built"]);
  host.images.add("python:3.13", "e");
  await lab.reaches(await lab.startText("other", "FROM python:3.13\nRUN echo two\n"), "success");
  assert.equal(builder.last?.fromImage, true);
});

test("what FROM cannot name is refused, and an image that is not there fails its build", async () => {
  for (const base of ["UPPER/case", "a//b", "registry.test:port/x", "x@sha256:12", "-x"]) {
    const refused = await lab.call("POST", "/v1/builds", { name: "x", recipe_text: `FROM ${base}\n` });
    assert.equal(refused.status, 400, base);
    assert.match(String(reasonOf(refused)), /^(image_reference_invalid|recipe_invalid)$/, base);
  }
  const id = await lab.startText("x", "FROM registry.test/nothing:v1\n");
  const build = await lab.reaches(id, "failed");
  assert.equal(build["reason"], "image_not_found");
  assert.match(String(build["error"]), /registry\.test\/nothing:v1/);
  assert.deepEqual(
    (await lab.lines(id)).map((line) => line.replace(/ after .*/, "")),
    ["system importing the image", "system failed"],
  );
});

test("the login for a registry reaches the host, and is shown and stored nowhere", async () => {
  host.images.add("registry.test/own:v1", "c");
  const login = { username: "reader", password: "password-of-the-registry" };
  const id = await lab.startText("own", "FROM registry.test/own:v1\nRUN echo x\n", { registry_login: login });
  const build = await lab.reaches(id, "success");
  assert.deepEqual(host.images.requests.at(-1), { id, reference: "registry.test/own:v1", login });
  assert.equal(builder.last?.secrets.size, 0, "it is no secret of the steps");
  const rows = await platform.database.db.selectFrom("builds").selectAll().execute();
  const text = JSON.stringify([build, await lab.lines(id), rows], (_, value: unknown) =>
    value instanceof Uint8Array ? Buffer.from(value).toString("latin1") : value,
  );
  assert.ok(!text.includes(login.password));
  const lines = { name: "own", recipe: ["RUN true"], registry_login: login };
  assert.equal(reasonOf(await lab.call("POST", "/v1/builds", lines)), "invalid_field");
});

test("an image whose disk the host has lost since is imported again, unless its name leads to another one", async () => {
  const image = host.images.add("lost:1", "7");
  const silent = { clock: systemClock, logger: silentLogger };
  const started: string[] = [];
  const capsules: BuildCapsules = {
    start: async ({ base }) => {
      started.push(base.hostKey);
      if (started.length === 1) throw new WrennError("template_not_found", { template: base.hostKey });
      throw new WrennError("no_hosts", {});
    },
    identities: async ({ base }) => new Map([["host", base.hostKey]]),
    findMoment: async () => undefined,
    forget: async () => {},
    remove: async () => {},
  };
  await lab.reaches(await lab.startText("lost", "FROM lost:1\nRUN echo x\n"), "success");
  const { requests } = host.images;
  const job = builder.last ?? assert.fail();
  const report = {} as BuildReport;
  const build = async () => await new CapsuleBuilder({ capsules, ...silent }).build(job, report, signal);
  const before = requests.length;
  await assert.rejects(build(), { reason: "no_hosts" });
  assert.deepEqual([started, requests.length], [[image.template, image.template], before + 1]);
  host.images.add("lost:1", "8");
  started.length = 0;
  await assert.rejects(build(), { reason: "template_not_found" });
});

test("a build that is cancelled while its image comes ends the import", async () => {
  const gate = Promise.withResolvers<void>();
  host.images.add("slow:v1", "d");
  host.images.gate = gate.promise;
  const id = await lab.startText("slow", "FROM slow:v1\n");
  await eventually("the log says how far it is", async () =>
    (await lab.lines(id)).includes("stdout downloading: 0.0 MiB of 0.0 MiB"),
  );
  assert.equal((await lab.call("POST", `/v1/builds/${id}/cancel`)).status, 204);
  await eventually("no import is under way", async () => host.images.progress(id) === undefined);
  gate.resolve();
  assert.equal((await lab.get(id))["status"], "cancelled");
});
