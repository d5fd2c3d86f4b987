import assert from "node:assert/strict";
import { execFile as execFileCallback } from "node:child_process";
import { mkdir, mkdtempDisposable, readdir, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { eventually } from "@wrenn/core/testing";
import {
  buildImage,
  buildIndex,
  dir,
  dockerFiles,
  file,
  layoutFiles,
  RegistryServer,
  tarOf,
} from "@wrenn/oci/testing";
import type { BuiltImage, ImageRecipe, TestMember } from "@wrenn/oci/testing";
import { BuildClient, cachedSteps } from "../support/build-client.ts";
import { busyboxImage } from "../support/busybox-image.ts";
import { CommandLine } from "../support/command-line.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Builds that start from images of a registry, each in a real capsule. */

const execFile = promisify(execFileCallback);
const LOGIN = { username: "reader", password: `word-${process.pid}-${"y".repeat(12)}` };

let server: TestServer;
let builds: BuildClient;
let registry: RegistryServer;
const stack = new AsyncDisposableStack();
before(async () => {
  registry = stack.use(
    await RegistryServer.start({ access: { kind: "token", ...LOGIN, lifeSec: 2 }, blobHost: true }),
  );
  server = await startTestServer({
    config: { registries: { mirrors: {}, plainHttp: [], privateHosts: registry.hosts } },
  });
  stack.defer(() => server.close());
  builds = new BuildClient(server);
});
after(() => stack.disposeAsync());

/** An image like Alpine's, with all programs of BusyBox, and a program that writes a file again and again. */
async function toolImage(greeting: string): Promise<ImageRecipe> {
  const { layers, config } = await busyboxImage();
  return {
    layers: [
      ...layers,
      [
        dir("srv"),
        dir("srv/tool", { uid: 1000, gid: 50 }),
        file("srv/tool/greeting", `${greeting}\n`),
        file("etc/passwd", "root:x:0:0:root:/root:/bin/sh\ntool:x:1000:1000::/srv/tool:/bin/sh\n"),
        file("etc/group", "root:x:0:root\ntool:x:1000:\nstaff:x:50:tool\n"),
      ],
    ],
    config: {
      ...config,
      Env: ["PATH=/srv/tool/bin:/usr/bin:/bin", "TOOL_VERSION=7"],
      User: "tool:staff",
      WorkingDir: "/srv/tool",
      Entrypoint: ["/bin/sh", "-c"],
      Cmd: ["while true; do cat /proc/uptime > /tmp/clock; sleep 0.2; done"],
    },
  };
}

test("a build starts from an image, with its settings, and its steps are cached under the digest of the image", async (t) => {
  registry.push("team/tool", buildImage(await toolImage("one")), "v1");
  await using context = await mkdtempDisposable(join(tmpdir(), "wrenn-context-"));
  await mkdir(join(context.path, "files/bin"), { recursive: true });
  await writeFile(join(context.path, "files/bin/hello"), "#!/bin/sh\necho hello $TOOL_VERSION\n", {
    mode: 0o755,
  });
  await writeFile(join(context.path, "files/.hidden"), "hidden\n");
  const recipe = `FROM ${registry.host}/team/tool:v1
COPY files/ .
RUN hello && id -u && id -g && pwd && cat greeting
USER root
RUN echo built > /etc/built
USER tool:staff
`;
  const build = async () => await builds.build("tool", recipe, { registry_login: LOGIN }, context.path);
  const first = await build();
  assert.equal(first.status, "success", first.error ?? "");
  assert.deepEqual(
    first.logs.map(({ stdout }) => stdout.trim()).filter((text) => text !== ""),
    ["hello 7\n1000\n50\n/srv/tool\none"],
  );
  const capsule = await server.capsule(t, { template: "tool" });
  const { stdout } = await server.shell(
    capsule,
    "hello; id -u; id -g; pwd; cat greeting .hidden /etc/built; stat -c %U:%G:%a bin/hello; cat /tmp/clock; sleep 1; cat /tmp/clock",
  );
  const lines = stdout.trim().split("\n");
  assert.deepEqual(lines.slice(0, 8), [
    "hello 7",
    "1000",
    "50",
    "/srv/tool",
    "one",
    "hidden",
    "built",
    "tool:staff:755",
  ]);
  assert.notEqual(lines[8], lines[9], "what the image starts runs on");

  const pulled = registry.requests.filter(({ host }) => host === "blobs").length;
  const second = await build();
  assert.deepEqual([second.status, cachedSteps(second)], ["success", "ccccc"], second.error ?? "");
  assert.equal(
    registry.requests.filter(({ host }) => host === "blobs").length,
    pulled,
    "nothing is pulled again",
  );

  registry.push("team/tool", buildImage(await toolImage("two")), "v1");
  const third = await build();
  assert.deepEqual([third.status, cachedSteps(third)], ["success", "-----"], third.error ?? "");
  assert.match(third.logs[1]?.stdout ?? "", /two/);
  const found = await execFile("grep", ["-rlaF", LOGIN.password, server.dataDirectory]).then(
    ({ stdout: files }) => files,
    ({ code }: { readonly code: number }) => (code === 1 ? "" : assert.fail(`grep ended with ${code}`)),
  );
  assert.equal(found, "", "the password is nowhere in the data of the server");
});

test("COPY needs no program of the image: files, links, owners and texts come into one that has no shell", async (t) => {
  const [first] = (await busyboxImage()).layers;
  const program = Array.isArray(first)
    ? (first as readonly TestMember[]).find(({ name }) => name === "bin/busybox")
    : undefined;
  const bare = { layers: [[file("busybox", program?.content ?? assert.fail(), { mode: 0o755 })]] };
  registry.push("team/bare", buildImage(bare), "v1");
  await using context = await mkdtempDisposable(join(tmpdir(), "wrenn-context-"));
  await mkdir(join(context.path, "files/deep"), { recursive: true });
  await writeFile(join(context.path, "files/deep/run"), "in a file\n", { mode: 0o750 });
  await symlink("deep/run", join(context.path, "files/link"));
  const recipe = `FROM ${registry.host}/team/bare:v1
COPY --chown=4242:4343 files/ /data/
COPY files/deep/run /srv/renamed
COPY <<TEXT /data/text
of the recipe
TEXT
`;
  const build = await builds.build("bare", recipe, { registry_login: LOGIN }, context.path);
  assert.equal(build.status, "success", build.error ?? "");
  const capsule = await server.capsule(t, { template: "bare" });
  const run = async (...args: readonly string[]): Promise<string> => {
    const exec = { cmd: "/busybox", args };
    return (await server.call<{ stdout: string }>("POST", `/v1/capsules/${capsule}/exec`, exec)).body.stdout;
  };
  assert.equal(
    await run("cat", "/data/link", "/srv/renamed", "/data/text"),
    "in a file\nin a file\nof the recipe\n",
  );
  assert.equal(
    await run("stat", "-c", "%u:%g:%a", "/data", "/data/link", "/data/deep/run", "/srv/renamed"),
    "4242:4343:755\n4242:4343:777\n4242:4343:755\n0:0:755\n",
  );
});

test("an image that cannot be used fails its build with the reason, and leaves nothing", async () => {
  const arm = buildImage({ ...(await toolImage("arm")), architecture: "arm64" });
  registry.push(
    "team/arm",
    buildIndex([{ image: arm, platform: { os: "linux", architecture: "arm64" } }]),
    "v1",
  );
  const cases: readonly (readonly [string, object, string, RegExp])[] = [
    ["team/tool:v9", { registry_login: LOGIN }, "image_not_found", /team\/tool:v9/],
    ["team/tool:v1", {}, "image_access_denied", /denies access/],
    [
      "team/tool:v1",
      { registry_login: { username: "reader", password: "wrong-word" } },
      "image_access_denied",
      /denies access/,
    ],
    ["team/arm:v1", { registry_login: LOGIN }, "image_platform_missing", /available for linux\/arm64/],
  ];
  for (const [image, more, reason, message] of cases) {
    const build = await builds.build("wrong", `FROM ${registry.host}/${image}\nRUN true\n`, more);
    assert.deepEqual([build.status, build.reason], ["failed", reason], build.error ?? "");
    assert.match(build.error ?? "", message);
  }
  const outside = await builds.build("wrong", "FROM 127.0.0.1:9/team/tool\n");
  assert.equal(outside.reason, "registry_unreachable");
  assert.match(outside.error ?? "", /not on the public internet/);
});

test("a build that is cancelled while its image comes leaves nothing of it", async () => {
  const image = buildImage(await toolImage("slow"));
  registry.push("team/slow", image, "v1");
  registry.fail({ path: image.layers[0]?.digest ?? "", fault: { kind: "hangs", after: 100 } });
  const id = await builds.begin({
    name: "slow",
    recipe_text: `FROM ${registry.host}/team/slow:v1\n`,
    registry_login: LOGIN,
  });
  await eventually("the download has begun", async () => {
    const { body } = await server.call<{ lines: readonly { text: string }[] }>(
      "GET",
      `/v1/builds/${id}/logs`,
    );
    return body.lines.some(({ text }) => text.startsWith("downloading"));
  });
  assert.equal((await server.call("POST", `/v1/builds/${id}/cancel`)).status, 204);
  assert.equal((await builds.ended(id)).status, "cancelled");
});

function archiveOf(files: ReadonlyMap<string, Buffer>): Buffer {
  return tarOf([...files].map(([name, bytes]) => file(name, bytes)));
}

test("an archive becomes a template once, and one that cannot be used fails its build with the reason", async (t) => {
  await using home = await mkdtempDisposable(join(tmpdir(), "wrenn-archives-"));
  const cli = new CommandLine(home.path, { WRENN_URL: server.url, WRENN_API_KEY: server.apiKey });
  const pathOf = async (name: string, bytes: Uint8Array): Promise<string> => {
    await writeFile(join(home.path, name), bytes);
    return join(home.path, name);
  };
  const importing = async (path: string, ...more: readonly string[]) =>
    await cli.try(["template", "import", path, "--progress", "plain", ...more]);
  const saved = buildImage({ ...(await toolImage("saved")), compression: "none", docker: true });
  const path = await pathOf("saved.tar", archiveOf(dockerFiles({ "team/tool:v7": saved })));
  const first = await importing(path);
  assert.deepEqual([first.code, first.stdout], [0, "saved\n"], first.stderr);
  assert.match(first.stderr, /sending saved\.tar \(\d+\.\d MiB\)[^]*saved\.tar is sha256:[^]*freezing/);
  const capsule = await server.capsule(t, { template: "saved" });
  const { stdout } = await server.shell(capsule, "cat greeting; id -u; pwd; cat /tmp/clock");
  assert.match(stdout, /^saved\n1000\n\/srv\/tool\n\d/);
  const again = await importing(path, "--image", "team/tool:v7");
  assert.equal(again.code, 0, again.stderr);
  assert.doesNotMatch(again.stderr, /reading the layers|freezing/, "it is known");

  const layout = gzipSync(archiveOf(layoutFiles({ v1: buildImage(await toolImage("one")) })), { level: 1 });
  const without = (image: BuiltImage): ReadonlyMap<string, Buffer> => {
    const files = new Map(layoutFiles({ v1: image }));
    files.delete(`blobs/${image.layers[0]?.digest.replace(":", "/")}`);
    return files;
  };
  const arm = buildImage({ ...(await toolImage("arm")), architecture: "arm64" });
  const damaged = archiveOf(dockerFiles({ "": saved })).map((byte, at) => (at === 700_000 ? byte ^ 1 : byte));
  const several = dockerFiles({ "a:1": saved, "b:2": saved });
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [layout.subarray(0, layout.length / 2), /case\.tar is not an image archive: its gzip data is damaged/],
    [archiveOf(dockerFiles({ "": saved })).subarray(0, 600_000), /case\.tar is not an image archive/],
    [damaged, /image .* damaged|its digest is/],
    [archiveOf(without(buildImage(await toolImage("one")))), /the archive does not have it/],
    [archiveOf(layoutFiles({ v1: arm })), /available for linux\/arm64/],
    [archiveOf(several), /has several images: a:1, b:2/],
    [Buffer.from("no archive at all"), /is not an image archive/],
  ];
  for (const [bytes, message] of cases) {
    const refused = await importing(await pathOf("case.tar", bytes));
    assert.equal(refused.code, 1, refused.stderr);
    assert.match(refused.stderr, message);
  }
  assert.match((await importing(join(home.path, "nothing.tar"))).stderr, /no such file/);
  await eventually("no archive is left", async () => {
    const left = await readdir(join(server.dataDirectory, "image-archives"));
    return left.length === 0;
  });
});
