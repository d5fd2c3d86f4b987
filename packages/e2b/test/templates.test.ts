import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { sql } from "kysely";
import * as current from "e2b";
import * as earlier from "e2b-2-45";
import { E2bLab } from "./support/e2b-lab.ts";

const clients = [
  ["e2b 2.51.0", "current", current.Template],
  ["e2b 2.45.0", "earlier", earlier.Template as unknown as typeof current.Template],
] as const;

describe("templates and snapshots through the published clients", () => {
  let lab: E2bLab;
  let context: string;
  before(async () => {
    lab = await E2bLab.start();
    context = await mkdtemp(join(tmpdir(), "e2b-templates-"));
    await writeFile(join(context, "hello.txt"), "hello\n");
  });
  after(async () => {
    await rm(context, { recursive: true, force: true });
    await lab[Symbol.asyncDispose]();
  });

  for (const [name, alias, Template] of clients) {
    test(`${name} builds a template with files, start command and tags, and starts a sandbox of it`, async () => {
      const { options } = lab;
      const template = Template({ fileContextPath: context })
        .fromTemplate("minimal")
        .setEnvs({ MODE: 'a $HOME "quoted" $(none)' })
        .copy("hello.txt", "/srv/")
        .runCmd("true; echo from the build; true")
        .setStartCmd("sleep infinity", "true");
      const lines: string[] = [];
      const built = await Template.build(template, `${alias}:v1`, {
        ...options,
        tags: ["stable"],
        cpuCount: 1,
        memoryMB: 512,
        onBuildLogs: (entry) => void lines.push(entry.message),
      });
      assert.equal(built.templateId, alias);
      assert.ok(lines.includes("from the build"), lines.join("\n"));
      assert.equal(lab.builder.last?.healthcheck, "--interval=1s /bin/bash -c 'true'");
      assert.deepEqual(lab.builder.last.config.entrypoint, ["/bin/bash", "-c", "sleep infinity"]);
      assert.equal(lab.builder.last.config.user, "user");
      assert.equal(await Template.exists(alias, options), true);
      assert.equal(await Template.exists("nothing-of-that-name", options), false);
      assert.deepEqual(
        (await Template.getTags(alias, options)).map(({ tag }) => tag),
        ["stable", "v1"],
      );
      const assigned = await Template.assignTags(`${alias}:v1`, ["production"], options);
      assert.deepEqual(assigned.tags, ["production"]);
      await Template.removeTags(alias, ["stable"], options);
      assert.deepEqual(
        (await Template.getTags(alias, options)).map(({ tag }) => tag),
        ["production", "v1"],
      );
    });

    test(`${name} hears which of its steps has failed`, async () => {
      const template = Template().fromTemplate("minimal").runCmd("true").runCmd("true; exit 3; true");
      await assert.rejects(Template.build(template, `${alias}-broken`, lab.options), {
        name: "BuildError",
        message: /exit code/,
      });
      const { body } = await lab.call("GET", "/v2/templates?limit=100");
      assert.ok(!JSON.stringify(body).includes(`${alias}-broken`));
    });
  }

  test("clients log in to registries of AWS and Google, and their secrets are nowhere in the database", async () => {
    const { Template } = current;
    const image = "registry.example/team/tool:v1";
    const secret = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const keyOfGoogle = { type: "service_account", private_key: "-----BEGIN PRIVATE KEY-----" };
    const token = Buffer.from("AWS:the-password").toString("base64");
    let status = 200;
    lab.registryFetch = async () =>
      Response.json({ authorizationData: [{ authorizationToken: token }] }, { status });
    lab.host.images.add(image, "5");
    const aws = Template().fromAWSRegistry(image, {
      accessKeyId: "AKIDEXAMPLE",
      secretAccessKey: secret,
      region: "eu-central-1",
    });
    await Template.build(aws, "from-aws", lab.options);
    const google = Template().fromGCPRegistry(image, { serviceAccountJSON: keyOfGoogle });
    await Template.build(google, "from-google", lab.options);
    assert.deepEqual(
      lab.host.images.requests.map(({ login }) => login),
      [
        { username: "AWS", password: "the-password" },
        { username: "_json_key", password: JSON.stringify(keyOfGoogle) },
      ],
    );
    const { rows } = await sql<{ readonly text: string }>`
      select to_jsonb(b)::text as text from builds b union all select to_jsonb(a)::text from announced_builds a
        union all select to_jsonb(l)::text from build_lines l union all select to_jsonb(o)::text from audit_log o`.execute(
      lab.database.db,
    );
    assert.ok(rows.length > 4);
    for (const { text } of rows)
      assert.ok(![secret, "PRIVATE KEY", "the-password"].some((one) => text.includes(one)));
    status = 403;
    await assert.rejects(
      Template.build(aws, "from-aws", lab.options),
      /api\.ecr\.eu-central-1\.amazonaws\.com refuses/,
    );
    const announced = await lab.call("POST", "/v3/templates", { name: "odd" });
    const odd = await lab.call("POST", `/v2/templates/odd/builds/${String(announced.body["buildID"])}`, {
      fromImage: image,
      fromImageRegistry: { type: "azure" },
    });
    assert.equal(odd.status, 400);
    assert.match(String(odd.body["message"]), /fromImageRegistry/);
  });

  test("logs of builds have levels, and are filtered by them", async () => {
    const announced = await lab.call("POST", "/v3/templates", { name: "levels" });
    const at = `/templates/levels/builds/${String(announced.body["buildID"])}`;
    const steps = [{ type: "RUN", args: ["true; echo to the output; echo to the errors >&2; exit 3; true"] }];
    assert.equal((await lab.call("POST", `/v2${at}`, { fromTemplate: "minimal", steps })).status, 202);
    const levelsAt = async (path: string, field: string): Promise<readonly string[]> => {
      const { status, body } = await lab.call("GET", path);
      assert.equal(status, 200, JSON.stringify(body));
      const levels = (body[field] as { readonly level: string; readonly message: string }[]).map(
        ({ level, message }) => (message.startsWith("to the ") ? `${level}: ${message}` : level),
      );
      return [...new Set(levels)];
    };
    await eventually("the build has failed", async () => {
      return (await lab.call("GET", `${at}/status`)).body["status"] === "error";
    });
    const all = ["info", "info: to the output", "warn: to the errors", "error"];
    assert.deepEqual(await levelsAt(`${at}/status`, "logEntries"), all);
    assert.deepEqual(await levelsAt(`${at}/status?level=debug`, "logEntries"), all);
    assert.deepEqual(await levelsAt(`${at}/status?level=warn`, "logEntries"), all.slice(2));
    assert.deepEqual(await levelsAt(`${at}/status?level=warn&logsOffset=1`, "logEntries"), ["error"]);
    assert.deepEqual(await levelsAt(`${at}/logs?level=error`, "logs"), ["error"]);
    assert.deepEqual(await levelsAt(`${at}/logs?level=warn&direction=backward&limit=1`, "logs"), ["error"]);
    assert.equal((await lab.call("GET", `${at}/logs?level=loud`)).status, 400);
  });

  test("templates say who made them, and how often and when sandboxes of them were started", async () => {
    const person = await lab.person("tess", "owner");
    const made = await lab.call("POST", "/api-keys", { name: "tess" }, person);
    const byKey = { "x-api-key": String(made.body["key"]) };
    const listed = async (name: string) => {
      const { body } = await lab.call("GET", "/v2/templates");
      return (body as unknown as Record<string, unknown>[]).find((one) => one["templateID"] === name);
    };
    const start = async (templateID: string): Promise<string> =>
      String((await lab.call("POST", "/v2/sandboxes", { templateID })).body["sandboxID"]);
    const snapshot = async (id: string, name: string, headers: Readonly<Record<string, string>>) =>
      (await lab.call("POST", `/sandboxes/${id}/snapshots`, { name }, headers)).status;
    const source = await start("minimal");
    assert.equal(await snapshot(source, "counted", byKey), 201);
    const fresh = await listed("counted");
    assert.match(
      JSON.stringify(fresh?.["createdBy"]),
      /^\{"id":"[0-9a-f-]{36}","email":"tess@example.org"\}$/,
    );
    assert.deepEqual([fresh?.["spawnCount"], fresh?.["lastSpawnedAt"]], [0, null]);

    const before = Date.now();
    const [first, second] = [await start("counted"), await start("counted")];
    // By a key that no one made: the template stays that of the person, and its new version counts with the old one.
    assert.equal(await snapshot(source, "counted:v2", { "x-api-key": lab.apiKey }), 201);
    const third = await start("counted:v2");
    const used = await listed("counted");
    assert.deepEqual([used?.["createdBy"], used?.["spawnCount"]], [fresh?.["createdBy"], 3]);
    const at = Date.parse(String(used?.["lastSpawnedAt"]));
    assert.ok(at >= before && at <= Date.now(), String(used?.["lastSpawnedAt"]));
    const { body } = await lab.call("GET", "/templates/counted");
    assert.deepEqual([body["spawnCount"], body["lastSpawnedAt"]], [3, used?.["lastSpawnedAt"]]);

    assert.equal(await snapshot(source, "of-no-one", { "x-api-key": lab.apiKey }), 201);
    assert.equal((await listed("of-no-one"))?.["createdBy"], null);
    for (const id of [source, first, second, third]) await lab.call("DELETE", `/sandboxes/${id}`);
  });

  test("a snapshot is a template with its sandbox running on, and goes by its id", async () => {
    const { options } = lab;
    const { Sandbox } = current;
    const sandbox = await Sandbox.create("minimal", { ...options, timeoutMs: 500_000 });
    const { endAt } = await sandbox.getInfo();
    const named = await sandbox.createSnapshot({ name: "kept:v2" });
    assert.match(named.snapshotId, /^[0-9a-f-]+\/kept:v2$/);
    assert.deepEqual(named.names, [named.snapshotId]);
    const unnamed = await sandbox.createSnapshot();
    assert.match(unnamed.snapshotId, /^[0-9a-f]{20}:default$/);
    assert.deepEqual(unnamed.names, []);
    const after = await sandbox.getInfo();
    assert.equal(after.state, "running");
    assert.ok(Math.abs(after.endAt.getTime() - endAt.getTime()) < 2000, "its end stays");
    const listed = await Sandbox.listSnapshots({ ...options, sandboxId: sandbox.sandboxId }).nextItems();
    assert.deepEqual(
      listed.map(({ snapshotId }) => snapshotId),
      [unnamed.snapshotId, named.snapshotId],
    );
    assert.deepEqual(await Sandbox.listSnapshots({ ...options, name: "nothing" }).nextItems(), []);
    for (const { snapshotId } of [named, unnamed]) {
      const child = await Sandbox.create(snapshotId, options);
      await child.kill();
      assert.equal(await Sandbox.deleteSnapshot(snapshotId, options), true);
      assert.equal(await Sandbox.deleteSnapshot(snapshotId, options), false);
    }
    await sandbox.kill();
  });
});
