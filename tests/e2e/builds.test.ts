import assert from "node:assert/strict";
import { execFile as execFileCallback } from "node:child_process";
import { mkdir, mkdtempDisposable, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { eventually } from "@wrenn/core/testing";
import { BuildClient, cachedSteps } from "../support/build-client.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Builds of templates, each in a real capsule. */

const execFile = promisify(execFileCallback);

let server: TestServer;
let builds: BuildClient;
before(async () => {
  server = await startTestServer();
  builds = new BuildClient(server);
});
after(() => server.close());

async function archiveOf(files: Readonly<Record<string, string>>): Promise<Uint8Array<ArrayBuffer>> {
  await using directory = await mkdtempDisposable(join(tmpdir(), "wrenn-archive-"));
  for (const [name, content] of Object.entries(files)) {
    const path = join(directory.path, name);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, content, { mode: 0o600 });
  }
  const { stdout } = await execFile("tar", ["-czf", "-", "-C", directory.path, "."], { encoding: "buffer" });
  return new Uint8Array(stdout);
}

test("what a recipe sets, installs and copies holds in every capsule of its template", async (t) => {
  const archive = await archiveOf({ "app/server.py": "print('served')\n", motd: "hello\n" });
  const id = await builds.begin(
    {
      name: "app",
      recipe: [
        "RUN echo one > /opt/one; id -un",
        "ENV GREETING=hello from $HOME, $$5",
        "USER builder",
        "WORKDIR /srv/app",
        "COPY app/server.py motd ./",
        "RUN cat motd; stat -c %U:%a . server.py; echo $GREETING; pwd",
      ],
    },
    archive,
  );
  const build = await builds.ended(id);
  assert.equal(build.status, "success", build.error ?? "");
  assert.deepEqual(
    build.logs.map(({ stdout }) => stdout.trim()).filter((text) => text !== ""),
    ["root", "hello\nbuilder:755\nbuilder:644\nhello from /root, $5\n/srv/app"],
  );
  assert.deepEqual([build.default_user, build.default_env["GREETING"]], ["builder", "hello from /root, $5"]);
  assert.deepEqual(await builds.capsules(), [], "the capsules of the build are gone");

  const capsule = await server.capsule(t, { template: "app" });
  const { stdout } = await server.shell(
    capsule,
    "id -un; pwd; echo $GREETING; python3 server.py; cat /opt/one; sudo -n id -un",
  );
  assert.equal(stdout, "builder\n/srv/app\nhello from /root, $5\nserved\none\nroot\n");
});

test("a start command runs in every capsule once its check has succeeded", async (t) => {
  const id = await builds.begin({
    name: "served",
    recipe: [
      "RUN mkdir -p /srv/www && echo it works > /srv/www/index.html",
      "START python3 -m http.server 8000 -d /srv/www",
    ],
    healthcheck: "--interval=200ms --retries=100 wget -qO- http://127.0.0.1:8000/",
  });
  const build = await builds.ended(id);
  assert.equal(build.status, "success", build.error ?? "");
  const capsule = await server.capsule(t, { template: "served" });
  const { stdout } = await server.shell(capsule, "wget -qO- http://127.0.0.1:8000/");
  assert.equal(stdout, "it works\n");
});

test("a build that does not succeed says why in the words of its step, and leaves nothing", async () => {
  const rows: readonly (readonly [readonly string[], string, RegExp])[] = [
    [
      ["RUN echo first; echo no such thing >&2; exit 7"],
      "build_failed",
      /recipe step 1 failed: exit code 7: no such thing/,
    ],
    [["RUN --timeout=1s sleep 600"], "build_failed", /step 1 failed: it took longer than 1 s/],
    [["WORKDIR /srv", "COPY missing /srv"], "build_failed", /missing/],
    // Its capsules would run as somebody who is not there.
    [["USER ada", "RUN sudo userdel -f ada || true"], "build_not_starting", /ada/],
  ];
  const archive = await archiveOf({ "there.txt": "x" });
  for (const [recipe, reason, message] of rows) {
    const build = await builds.ended(await builds.begin({ name: "broken", recipe }, archive));
    assert.deepEqual([build.status, build.reason], ["failed", reason], build.error ?? "");
    assert.match(build.error ?? "", message);
  }
  const { body } = await server.call<readonly { name: string }[]>("GET", "/v1/snapshots");
  assert.ok(!body.some(({ name }) => name === "broken"));
  await eventually("their capsules are gone", async () => (await builds.capsules()).length === 0);
});

test("a build that is cancelled ends within seconds, with its capsule", async () => {
  const id = await builds.begin({ name: "endless", recipe: ["RUN echo begun; sleep 600"] });
  await eventually("its step runs", async () => {
    const { body } = await server.call<{ lines: readonly { text: string }[] }>(
      "GET",
      `/v1/builds/${id}/logs`,
    );
    return body.lines.some(({ text }) => text === "begun");
  });
  assert.equal((await server.call("POST", `/v1/builds/${id}/cancel`)).status, 204);
  assert.equal((await builds.ended(id)).status, "cancelled");
  await eventually("its capsule is gone", async () => (await builds.capsules()).length === 0, {
    timeoutMs: 15_000,
  });
});

test("a build begins behind the steps that an earlier one has done, whether their memory or their disk was kept", async (t) => {
  const recipe = [
    "RUN date +%s%N > /opt/one",
    "ENV TWO=2",
    "RUN date +%s%N > /opt/two",
    "RUN echo $TWO; cat /opt/one",
    "RUN echo last",
  ];
  const first = await builds.ended(await builds.begin({ name: "stepwise", recipe }));
  assert.equal(first.status, "success", first.error ?? "");
  assert.equal(cachedSteps(first), "-----");
  const made = first.logs[3]?.stdout ?? "";
  // The last line is another one: what comes before it is in memory.
  const second = await builds.ended(
    await builds.begin({ name: "stepwise", recipe: [...recipe.slice(0, 4), "RUN cat /opt/one"] }),
  );
  assert.deepEqual([second.status, cachedSteps(second)], ["success", "cccc-"], second.error ?? "");
  assert.equal(`2\n${second.logs[4]?.stdout}`, made);
  // An earlier one is: its disk was kept, and what ENV sets needs no state of its own.
  const third = await builds.ended(
    await builds.begin({
      name: "stepwise",
      recipe: [...recipe.slice(0, 2), "RUN echo $TWO; cat /opt/one; ls /opt"],
    }),
  );
  assert.deepEqual([third.status, cachedSteps(third)], ["success", "cc-"], third.error ?? "");
  assert.equal(third.logs[2]?.stdout, `${made}one\n`);
  // Nothing is: its template is there.
  const again = performance.now();
  const fourth = await builds.ended(
    await builds.begin({
      name: "stepwise",
      recipe: [...recipe.slice(0, 2), "RUN echo $TWO; cat /opt/one; ls /opt"],
    }),
  );
  assert.deepEqual(
    [fourth.status, cachedSteps(fourth), fourth.sandbox_id],
    ["success", "ccc", undefined],
    fourth.error ?? "",
  );
  t.diagnostic(`a build of what is there took ${Math.round(performance.now() - again)} ms`);
  const capsule = await server.capsule(t, { template: "stepwise" });
  const { stdout } = await server.shell(capsule, "echo $TWO; cat /opt/one; ls /opt");
  assert.equal(stdout, `${made}one\n`);
});
