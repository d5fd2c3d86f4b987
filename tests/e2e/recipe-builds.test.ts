import assert from "node:assert/strict";
import { execFile as execFileCallback } from "node:child_process";
import { mkdir, mkdtempDisposable, symlink, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { promisify } from "node:util";
import { BuildClient, cachedSteps } from "../support/build-client.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Builds from the texts of recipes, with directories, secrets and start commands, each in a real capsule. */

const execFile = promisify(execFileCallback);

let server: TestServer;
let builds: BuildClient;
before(async () => {
  server = await startTestServer();
  builds = new BuildClient(server);
});
after(() => server.close());

/** A directory with an archive, links, a program and what is ignored. */
async function openContext(): Promise<AsyncDisposable & { readonly path: string }> {
  const context = await mkdtempDisposable(join(tmpdir(), "wrenn-context-"));
  const { path } = context;
  await mkdir(join(path, "app/templates"), { recursive: true });
  await mkdir(join(path, "unpacked"));
  await writeFile(join(path, "app/main.py"), "print('main')\n", { mode: 0o600 });
  await writeFile(join(path, "app/run"), "#!/bin/sh\necho ran\n", { mode: 0o700 });
  await writeFile(join(path, "app/templates/page.html"), "<p>");
  await writeFile(join(path, "app/old.log"), "old");
  await writeFile(join(path, ".dockerignore"), "**/*.log\n");
  await symlink("main.py", join(path, "app/latest"));
  await symlink("/etc/hostname", join(path, "app/outside"));
  await writeFile(join(path, "unpacked/inside"), "from the archive\n");
  await execFile("tar", ["-czf", join(path, "vendor.tar.gz"), "-C", join(path, "unpacked"), "inside"]);
  return context;
}

test("a recipe with everything that recipes have makes a template that has it all", async (t) => {
  await using context = await openContext();
  const recipe = `# Everything at once
ARG BASE=minimal
FROM \${BASE}
ARG WHO=nobody
ENV GREETING="hello \${WHO}" PATH=/opt/app:$PATH
WORKDIR /opt/app
COPY app/ .
COPY --chmod=0640 --chown=daemon app/*.py /srv/
ADD vendor.tar.gz /srv/vendor/
COPY <<EOF /etc/motd
welcome to $GREETING
EOF
RUN <<EOF
#!/usr/bin/python3
print("python", 6 * 7)
EOF
SHELL ["/bin/bash", "-c"]
RUN [[ -n $BASH_VERSION ]] && \\
  # a comment between the lines
  echo $WHO $(run) && id -un
USER web
RUN mkdir -p ~/state && pwd && touch ~/state/here
HEALTHCHECK --interval=200ms --deadline=60s CMD wget -qO- http://127.0.0.1:8000/page.html | grep -q '<p>'
ENTRYPOINT ["python3", "-m", "http.server"]
CMD ["8000", "-d", "/opt/app/templates"]
`;
  const build = await builds.build("everything", recipe, { args: { WHO: "ada" } }, context.path);
  assert.equal(build.status, "success", build.error ?? "");
  assert.deepEqual(
    build.logs.map(({ stdout }) => stdout.trim()).filter((text) => text !== ""),
    ["python 42", "ada ran\nroot", "/opt/app"],
  );
  const capsule = await server.capsule(t, { template: "everything" });
  const { stdout } = await server.shell(
    capsule,
    [
      "id -un; pwd; echo $GREETING; run; ls -A",
      "readlink latest outside",
      "stat -c '%n %U:%G %a' main.py run /srv/main.py /srv/vendor/inside /etc/motd",
      "cat /etc/motd /srv/vendor/inside; ls /srv; ls ~/state; echo ${WHO-unset}",
      "wget -qO- http://127.0.0.1:8000/page.html",
    ].join("\n"),
  );
  assert.equal(
    stdout,
    [
      "web\n/opt/app\nhello ada\nran\nlatest\nmain.py\noutside\nrun\ntemplates",
      "main.py\n/etc/hostname",
      "main.py root:root 644\nrun root:root 755\n/srv/main.py daemon:daemon 640",
      "/srv/vendor/inside root:root 644\n/etc/motd root:root 644",
      "welcome to hello ada\nfrom the archive\nmain.py\nvendor\nhere\nunset",
      "<p>",
    ].join("\n"),
  );
});

test("a user may have a group of the recipe's choice, and a number needs no account", async (t) => {
  const ids = "echo $(id -u) $(id -g) $(id -G) $HOME $(pwd)";
  const build = await builds.build(
    "numbers",
    `RUN groupadd --gid 2000 crew && useradd --create-home --groups crew,games ada
USER ada
RUN ${ids} $(id -Gn | wc -w)
USER ada:crew
RUN ${ids}
USER 4242
RUN ${ids}
WORKDIR /srv/numbers
COPY <<EOF named
one
EOF
USER 4242:crew
RUN ${ids}; touch here; echo 'sleep 6666' > program
CMD ["sh", "program"]
`,
  );
  assert.equal(build.status, "success", build.error ?? "");
  const [first, ...printed] = build.logs.map(({ stdout }) => stdout.trim()).filter((text) => text !== "");
  assert.match(first ?? "", /^1001 1001 .* 3$/);
  assert.deepEqual(printed, [
    "1001 2000 2000 /home/ada /home/ada",
    "4242 0 0 / /",
    "4242 2000 2000 / /srv/numbers",
  ]);
  const capsule = await server.capsule(t, { template: "numbers" });
  const { stdout } = await server.shell(
    capsule,
    `${ids}; stat -c '%n %u %g' . named here; ps -o uid=,gid= -p $(pgrep -fx 'sleep 6666')`,
  );
  assert.deepEqual(stdout.trim().split(/ *\n */), [
    "4242 2000 2000 / /srv/numbers",
    ". 4242 4242",
    "named 4242 4242",
    "here 4242 2000",
    "4242  2000",
  ]);
  const unknown = await builds.build("numbers", "USER root:nobody-has-this\nRUN true");
  assert.deepEqual([unknown.status, unknown.reason], ["failed", "build_failed"]);
  assert.match(unknown.error ?? "", /no such user in the capsule: root:nobody-has-this/);
});

test("a step is performed again when what it copies has changed, and not when only its times have", async () => {
  await using context = await openContext();
  const recipe = "COPY app /srv/app\nRUN cat /srv/app/main.py\nENV A=1\n";
  const build = async (more: object = {}) =>
    await builds.build("copied", recipe, more, context.path).then((ended) => {
      assert.equal(ended.status, "success", ended.error ?? "");
      return cachedSteps(ended);
    });
  assert.equal(await build(), "---");
  await utimes(join(context.path, "app/main.py"), 1, 1);
  await writeFile(join(context.path, "app/new.log"), "ignored");
  assert.equal(await build(), "ccc");
  await writeFile(join(context.path, "app/main.py"), "print('other')\n");
  assert.equal(await build(), "---");
  assert.equal(await build({ from_step: 2 }), "c--");
  if (process.env["WRENN_TEST_LONG"] !== "1") return;
  assert.equal(await build({ no_cache: true }), "---");
  assert.equal(await build(), "ccc");
});

test("a secret is there while its step runs, and nowhere else: not on a disk, in memory, in a log or in the database", async (t) => {
  const marker = `marker-${"x".repeat(8)}-${process.pid}-${Date.now()}`;
  // A build that fails in the end has kept what it keeps: its steps, its log and its error.
  const recipe = `RUN --mount=type=secret,id=token,required=true --mount=type=secret,id=token,env=TOKEN \\
  test "$(cat /run/secrets/token)" = "$TOKEN" && printf %s "$TOKEN" | wc -c && echo "it is $TOKEN"
RUN ls -A /run/secrets 2>/dev/null; echo \${TOKEN-unset}
START sleep 7777
CMD ["sleep", "8888"]
`;
  const build = await builds.build("secretive", recipe, { secrets: { token: marker } });
  assert.equal(build.status, "success", build.error ?? "");
  assert.match(build.logs[0]?.stdout ?? "", new RegExp(`^${marker.length}\\nit is`));
  assert.equal(build.logs[1]?.stdout, "unset\n");
  const capsule = await server.capsule(t, { template: "secretive" });
  const { stdout } = await server.shell(capsule, "pgrep -fx 'sleep [78]+'; ls /run/wrenn-build 2>&1 | wc -l");
  assert.equal(stdout.trim().split("\n").length, 3, "both programs run, from a fresh boot");
  const failed = await builds.build(
    "secretive-fails",
    "RUN --mount=type=secret,id=token,env=TOKEN echo $TOKEN >&2; exit 3",
    { secrets: { token: marker } },
  );
  assert.equal(failed.status, "failed");
  assert.ok(!JSON.stringify([build, failed]).includes(marker));
  const found = await execFile("grep", ["-rlaF", marker, server.dataDirectory]).then(
    ({ stdout: files }) => files,
    ({ code }: { readonly code: number }) => (code === 1 ? "" : assert.fail(`grep ended with ${code}`)),
  );
  assert.equal(found, "");
  // The search finds what is there.
  await server.shell(capsule, `echo ${marker} > /root/marker; sync`, { user: "root" });
  await server.call("POST", `/v1/capsules/${capsule}/pause`);
  const { stdout: there } = await execFile("grep", ["-rlaF", marker, server.dataDirectory]);
  assert.notEqual(there, "");
});

test("caches are there for the steps that name them, and are no part of the template", async (t) => {
  const build = await builds.build(
    "caching",
    [
      "RUN --mount=type=cache,target=/var/cache/tool echo one > /var/cache/tool/one",
      "RUN ls -A /var/cache | grep -c tool || true",
      "RUN --mount=type=cache,target=/var/cache/tool cat /var/cache/tool/one",
    ].join("\n"),
  );
  assert.deepEqual(
    [build.status, build.logs.map(({ stdout }) => stdout)],
    ["success", ["", "0\n", "one\n"]],
    build.error ?? "",
  );
  const capsule = await server.capsule(t, { template: "caching" });
  const { stdout } = await server.shell(
    capsule,
    "ls -d /var/cache/tool /var/tmp/wrenn-build-caches 2>&1 | wc -l",
  );
  assert.equal(stdout, "2\n", "both are missing");
});

test("files of the context are mounted for one step, read-only, and are in no layer of the template", async (t) => {
  await using context = await mkdtempDisposable(join(tmpdir(), "wrenn-context-"));
  const marker = `mounted-${process.pid}-${Date.now()}`;
  await mkdir(join(context.path, "parts/inner"), { recursive: true });
  await writeFile(join(context.path, "parts/inner/one"), `${marker}\n`);
  await writeFile(join(context.path, "single.sh"), "#!/bin/sh\necho single\n", { mode: 0o755 });
  const recipe = [
    "USER user",
    "RUN --mount=type=bind,source=parts,target=/opt/parts wc -l < /opt/parts/inner/one; touch /opt/parts/x || true",
    "RUN --mount=type=bind,source=single.sh,target=/usr/local/bin/single single; mount | grep -c /opt/parts || true",
  ].join("\n");
  const build = await builds.build("mounting", recipe, {}, context.path);
  assert.equal(build.status, "success", build.error ?? "");
  assert.deepEqual(
    build.logs.slice(1).map(({ stdout }) => stdout),
    ["1\n", "single\n0\n"],
  );
  assert.equal(cachedSteps(await builds.build("mounting", recipe, {}, context.path)), "ccc");
  const capsule = await server.capsule(t, { template: "mounting" });
  const left =
    "ls -d /opt/parts /usr/local/bin/single /run/wrenn-context 2>&1 | grep -vc 'No such file' || true";
  assert.equal((await server.shell(capsule, left)).stdout, "0\n");
  const templates = join(server.dataDirectory, "templates");
  const found = await execFile("grep", ["-rlaF", "--include=*.qcow2", marker, templates]).catch(
    ({ code }: { readonly code: number }) => ({ stdout: code === 1 ? "" : `grep ended with ${code}` }),
  );
  assert.equal(found.stdout, "");
});

test("what is wrong with a recipe or its template is said with its place, and nothing is made", async () => {
  const refusals: readonly (readonly [object, RegExp])[] = [
    [{ recipe_text: "RUN true\nFORM minimal" }, /recipe:2:1: unknown instruction "FORM"/],
    [{ recipe_text: "RUN true\nCOPY a b", recipe_file: "Wrennfile" }, /Wrennfile:2:6: COPY takes files/],
    [{ recipe_text: "RUN --mount=type=secret,id=key,required=true true" }, /step 1 needs the secret key/],
    [{ recipe_text: "RUN true", args: { LEVEL: "1" } }, /no ARG declares the argument LEVEL/],
    [
      { recipe_text: "FROM minimal\nRUN true", base_template: "minimal" },
      /base_template .*stands beside FROM/,
    ],
    [{ recipe_text: "RUN true", recipe: ["RUN true"] }, /recipe .*stands beside recipe_text/],
    [{ recipe: ["RUN true"], secrets: { a: "b" } }, /secrets .*belongs to recipe_text/],
    [{}, /recipe .*is missing/],
    [{ recipe_text: "FROM minimal:no-such-tag" }, /no-such-tag/],
    [{ recipe_text: "FROM registry.test/UPPER" }, /invalid image reference registry\.test\/UPPER/],
  ];
  for (const [config, message] of refusals) {
    const answer = await builds.request({ name: "wrong", ...config });
    const text = await answer.text();
    assert.ok(answer.status === 400 || answer.status === 404, text);
    assert.match(text.replaceAll('\\"', '"'), message);
  }
  const failures: readonly (readonly [string, string, RegExp])[] = [
    [
      "CMD echo no port left >&2; exit 9",
      "build_not_ready",
      /the start command ended: exit code 9: no port left/,
    ],
    [
      "HEALTHCHECK --interval=100ms --deadline=1s CMD echo not yet; false\nCMD sleep 600",
      "build_not_ready",
      /not yet/,
    ],
    ["COPY <<EOF /dev/full/x\nx\nEOF", "build_failed", /recipe step 1 failed/],
  ];
  for (const [text, reason, message] of failures) {
    const build = await builds.build("wrong", text);
    assert.deepEqual([build.status, build.reason], ["failed", reason], build.error ?? "");
    assert.match(build.error ?? "", message);
  }
  const { body } = await server.call<readonly { name: string }[]>("GET", "/v1/snapshots");
  assert.ok(!body.some(({ name }) => name === "wrong"));
});
