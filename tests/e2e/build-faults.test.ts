import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { readdir, rm } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { parseId } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { buildImage, RegistryServer } from "@wrenn/oci/testing";
import { BuildApi } from "../support/build-api.ts";
import type { WireLine } from "../support/build-api.ts";
import { cachedSteps } from "../support/build-client.ts";
import type { WireBuild } from "../support/build-client.ts";
import { busyboxImage } from "../support/busybox-image.ts";
import { linkedCache } from "../support/linked-cache.ts";
import { machinesBelow } from "../support/machines-below.ts";
import { SeededRandom } from "../support/seeded-random.ts";
import { ServerProcess } from "../support/server-process.ts";

/*
 * Builds whose server is killed in each of their stages, and other faults. A run takes one stage, by the seed; `--long` takes all,
 * and everything else that takes a while.
 */

const LONG = process.env["WRENN_TEST_LONG"] === "1";
const SEED = Number(process.env["WRENN_TEST_SEED"] ?? Date.now() % 2 ** 31);
const long = { skip: LONG ? false : "takes a minute; run with --long" };

let server: ServerProcess;
let builds: BuildApi;
let registry: RegistryServer;
/** Of this file alone: what a killed import leaves there is looked for. */
let cache: Awaited<ReturnType<typeof linkedCache>>;
before(async () => {
  registry = await RegistryServer.start();
  cache = await linkedCache();
  process.env["WRENN_REGISTRY_PRIVATE"] = registry.host;
  process.env["WRENN_CACHE_DIR"] = cache.path;
  server = await ServerProcess.start();
  builds = new BuildApi(() => server.api);
});
after(async () => {
  await server.close();
  await registry[Symbol.asyncDispose]();
  await cache[Symbol.asyncDispose]();
  assert.deepEqual(await machinesBelow(server.dataDirectory), []);
});

/** Its second step takes a while, and its capsules have a running program. */
const recipeOf = (name: string): string => `FROM minimal
RUN echo ${name} > /opt/one
RUN echo begun; sleep 2; cat /opt/one > /opt/two
CMD ["sleep", "100000"]
HEALTHCHECK --interval=1s CMD sleep 1; test -e /opt/two
`;
const WORKS = "cat /opt/one /opt/two; pgrep -cx sleep";

interface Stage {
  readonly name: string;
  /** Kills the server in this stage of a build. */
  readonly kill: (build: string) => Promise<void>;
  /** Its capsule or its files may still be made: they are removed a minute later. */
  readonly isRemovedLater?: true;
}

/** The server kills itself before a step of an operation on a capsule. */
const beforeStep = (step: string) => async (): Promise<void> => {
  await server.crashAt(step);
  await server.gone();
  await server.crashAt("");
};
const atLine = (isMeant: (line: WireLine) => boolean) => async (build: string) => {
  await builds.says(build, isMeant);
  await server.kill();
};

const stages: readonly [Stage, ...Stage[]] = [
  { name: "in-a-step", kill: atLine(({ text }) => text === "begun") },
  { name: "keeping-a-step", kill: beforeStep("checkpoint:commit") },
  { name: "settling", kill: atLine(({ text }) => text === "settling") },
  { name: "freezing", kill: beforeStep("pause:memory") },
  { name: "storing", kill: beforeStep("snapshot:commit") },
];
const slowStages: readonly Stage[] = [
  { name: "starting", kill: beforeStep("create:machine"), isRemovedLater: true },
  { name: "testing", kill: atLine(({ text }) => text === "testing"), isRemovedLater: true },
  // By then its template may have its name.
  {
    name: "naming",
    kill: atLine(({ step, ended, seq }) => step === 0 && ended !== undefined && seq > 12),
    isRemovedLater: true,
  },
];

/** The stage before the first step of a build from an image. */
const IMPORT = "importing";
const drawn = new SeededRandom(SEED).pick([IMPORT, ...stages.map(({ name }) => name)]);
const drawnOnly = (name: string) => ({ skip: LONG || drawn === name ? false : `${drawn} was drawn` });
const drawnUnless = (name: string) => ({ skip: LONG || drawn !== name ? false : `${drawn} was drawn` });

async function files(folder: "templates" | "moments"): Promise<readonly string[]> {
  return await readdir(join(server.dataDirectory, folder)).catch(() => []);
}

/** No capsule of a build is there, no files of these, and nothing that is half made. */
async function requireNothingLeft(ofBuilds: readonly string[], waitMs: number): Promise<void> {
  const options = { timeoutMs: waitMs, intervalMs: 500 };
  await eventually(
    "capsules of builds are gone",
    async () => (await builds.capsules()).length === 0,
    options,
  );
  const keys = ofBuilds.map((id) => `tpl-${parseId("build", id)}`);
  let left: readonly string[] = [];
  await eventually(
    "files of builds that made no template are gone",
    async () => {
      const there = await files("templates");
      left = there.filter((name) => name.endsWith(".unfinished") || keys.some((key) => name.startsWith(key)));
      return left.length === 0;
    },
    { ...options, details: () => left.join() },
  );
  assert.deepEqual(
    (await files("moments")).filter((name) => !/^[0-9a-f]{64}$/.test(name)),
    [],
  );
}

async function requireWorks(template: string, expected: RegExp): Promise<void> {
  const capsule = await server.api.capsule(undefined, { template });
  const { stdout } = await server.api.shell(capsule, WORKS);
  await server.api.call("DELETE", `/v1/capsules/${capsule}`);
  assert.match(stdout, expected);
}

async function killAndRepeat({ name, kill, isRemovedLater }: Stage): Promise<void> {
  const text = recipeOf(name);
  const id = await builds.begin(name, text);
  await kill(id);
  await server.start();
  const ended = await builds.ended(id);
  assert.match(ended.status, /^(interrupted|success)$/, `${name}: ${ended.error}`);
  assert.equal((await builds.templates()).includes(name), ended.status === "success", name);
  await requireNothingLeft(ended.status === "success" ? [] : [id], isRemovedLater ? 200_000 : 20_000);
  const again = await builds.ended(await builds.begin(name, text));
  assert.equal(again.status, "success", `${name}: ${again.error}`);
  await requireWorks(name, new RegExp(`^${name}\n${name}\n1\n$`));
}

test(
  "a build whose server is killed leaves nothing, is never running for ever, and succeeds when it is repeated",
  drawnUnless(IMPORT),
  async (t) => {
    t.diagnostic(`WRENN_TEST_SEED=${SEED}`);
    const chosen = LONG ? [...stages, ...slowStages] : stages.filter(({ name }) => name === drawn);
    for (const stage of chosen) {
      t.diagnostic(stage.name);
      await killAndRepeat(stage);
    }
  },
);

test(
  "an import whose server is killed in the middle leaves nothing, and works when it is repeated",
  drawnOnly(IMPORT),
  async () => {
    const recipe = await busyboxImage();
    // The cache of images outlives a run: one that an earlier run has completed would not be downloaded.
    const config = { ...recipe.config, Labels: { run: randomUUID() } };
    const image = buildImage({ ...recipe, config });
    registry.push("team/tool", image, "v1");
    registry.fail({ path: image.layers[0]?.digest ?? "", fault: { kind: "hangs", after: 1000 } });
    const text = `FROM ${registry.host}/team/tool:v1\n`;
    const id = await builds.begin("imported", text);
    await builds.says(id, ({ text: line }) => line.startsWith("downloading"));
    // An archive that has come half way is beside it.
    const sent = request(new URL("/v1/builds/import", server.api.url), {
      method: "POST",
      headers: { "x-api-key": server.api.apiKey, "content-type": "multipart/form-data; boundary=B" },
    });
    sent.on("error", () => {});
    const head = 'content-disposition: form-data; name="image"; filename="a.tar"';
    sent.write(`--B\r\n${head}\r\n\r\n${"x".repeat(200_000)}`);
    const archives = join(server.dataDirectory, "image-archives");
    await eventually("the archive arrives", async () => {
      const [name = ""] = await readdir(archives).catch(() => []);
      return name.endsWith(".part");
    });
    const halfMade = async (): Promise<readonly string[]> => {
      const names = await readdir(join(cache.path, "image")).catch(() => []);
      return names.filter((name) => name.includes(".building-"));
    };
    assert.equal((await halfMade()).length, 1);
    await server.kill();
    await server.start();
    assert.equal((await builds.ended(id)).status, "interrupted");
    assert.deepEqual(await readdir(archives), []);
    const again = await builds.begin("imported", text);
    await builds.says(again, ({ text: line }) => line.includes(" is sha256:"));
    assert.deepEqual(await halfMade(), [], "what was half made is removed");
    await server.api.call("POST", `/v1/builds/${again}/cancel`);
    await builds.ended(again);
    await requireNothingLeft([id, again], 20_000);
  },
);

test("builds that wait when their server is killed are performed by the next one", long, async () => {
  const text = recipeOf("waiting");
  const ids: string[] = [];
  for (const name of ["waits-1", "waits-2", "waits-3"]) ids.push(await builds.begin(name, text));
  await builds.says(ids[0] ?? "", ({ text: line }) => line === "begun");
  assert.equal((await builds.get(ids[2] ?? "")).status, "pending");
  await server.kill();
  await server.start();
  const statuses: string[] = [];
  for (const id of ids) statuses.push((await builds.ended(id)).status);
  assert.deepEqual(statuses, ["interrupted", "interrupted", "success"]);
  await requireNothingLeft(ids.slice(0, 2), 200_000);
});

test(
  "of two builds of one name at once both succeed, and the template is one of the two as a whole",
  long,
  async () => {
    const ids = [
      await builds.begin("twice", recipeOf("first")),
      await builds.begin("twice", recipeOf("second")),
    ];
    const ended: WireBuild[] = [];
    for (const id of ids) ended.push(await builds.ended(id));
    assert.deepEqual(
      ended.map(({ status }) => status),
      ["success", "success"],
    );
    await requireWorks("twice", /^(first|second)\n\1\n1\n$/);
    await requireNothingLeft([], 60_000);
  },
);

test(
  "a template that is deleted while a build begins with it fails the build, or is in use until it ends",
  long,
  async () => {
    assert.equal((await builds.ended(await builds.begin("origin", recipeOf("origin")))).status, "success");
    const id = await builds.begin("derived", "FROM origin\nRUN echo begun; sleep 3; cat /opt/two");
    await builds.says(id, ({ text }) => text === "begun");
    const { status } = await server.api.call("DELETE", "/v1/snapshots/origin");
    const derived = await builds.ended(id);
    if (status === 204) assert.match(derived.status, /^(success|failed)$/);
    else assert.deepEqual([status, derived.status], [409, "success"], derived.error ?? "");
    if (derived.status === "success") {
      const capsule = await server.api.capsule(undefined, { template: "derived" });
      assert.equal((await server.api.shell(capsule, "cat /opt/two")).stdout, "origin\n");
      await server.api.call("DELETE", `/v1/capsules/${capsule}`);
    }
    await server.api.call("DELETE", "/v1/snapshots/origin");
  },
);

test("a full disk ends the step in the words of its program", long, async () => {
  // Most of it is only claimed: what is written is written on the host, too.
  const fill = "fallocate -l 4500M /opt/claimed || true; head -c 2000000000 /dev/zero > /opt/filled";
  const id = await builds.begin("full", `FROM minimal\nRUN ${fill}`);
  const full = await builds.ended(id);
  assert.deepEqual([full.status, full.reason], ["failed", "build_failed"]);
  assert.match(full.error ?? "", /no space left/i);
  await requireNothingLeft([id], 60_000);
});

test("of a step that prints 100,000 lines the first and the last are kept", long, async () => {
  const text = "FROM minimal\nRUN seq 1 100000; echo the reason >&2; exit 3";
  const id = await builds.begin("loud", text);
  const { status, error, dropped_lines: dropped } = await builds.ended(id);
  assert.equal(status, "failed");
  assert.match(error ?? "", /the reason/);
  const lines = await builds.lines(id);
  assert.equal(lines.length, 20_000);
  assert.equal(lines.length + (dropped ?? 0), 100_003);
  assert.ok(
    lines.some((line) => line.text === "1") && lines.slice(-4).some((line) => line.text === "100000"),
  );
});

test("a moment whose files are damaged is made again", long, async () => {
  const recipe = "FROM minimal\nRUN date +%s%N > /opt/one\nRUN cat /opt/one";
  const first = await builds.ended(await builds.begin("damaged", recipe));
  assert.equal(first.status, "success", first.error ?? "");
  const changed = `${recipe}; echo changed`;
  for (const key of await files("moments")) {
    const directory = join(server.dataDirectory, "moments", key);
    for (const file of await readdir(directory)) if (file !== "moment.json") await rm(join(directory, file));
  }
  const second = await builds.ended(await builds.begin("damaged", changed));
  assert.equal(second.status, "success", second.error ?? "");
  const third = await builds.ended(await builds.begin("damaged", `${changed} again`));
  assert.deepEqual([third.status, cachedSteps(third).slice(-2)], ["success", "c-"], third.error ?? "");
});

test("a step that never ends is cancelled with its capsule", async () => {
  const id = await builds.begin("endless", "FROM minimal\nRUN echo begun; sleep 100000");
  await builds.says(id, ({ text }) => text === "begun");
  assert.equal((await server.api.call("POST", `/v1/builds/${id}/cancel`)).status, 204);
  assert.equal((await builds.ended(id)).status, "cancelled");
  await requireNothingLeft([id], 20_000);
});
