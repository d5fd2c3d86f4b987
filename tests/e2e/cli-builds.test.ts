import assert from "node:assert/strict";
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { after, test } from "node:test";
import type { Build } from "@wrenn/sdk";
import { CommandLine } from "../support/command-line.ts";
import { PtySession } from "../support/pty-session.ts";
import { programEnvironment } from "../support/program-environment.ts";
import { projectRoot } from "../support/sources.ts";
import { startTestServer } from "../support/test-server.ts";

/* `wrenn build` with recipes and directories, each build in a real capsule. */

const isLong = process.env["WRENN_TEST_LONG"] === "1";
const server = await startTestServer();
after(() => server.close());
const home = await mkdtemp("/tmp/wrenn-cli-builds-");
after(() => rm(home, { recursive: true, force: true }));
const access = { WRENN_URL: server.url, WRENN_API_KEY: server.apiKey };
const cli = new CommandLine(home, { ...access, API_TOKEN: "correct-horse" });

/** A directory below the test's own; `-> target` is a link. */
async function contextOf(name: string, files: Readonly<Record<string, string>>): Promise<string> {
  const root = join(home, name);
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    if (text.startsWith("-> ")) await symlink(text.slice(3), join(root, path));
    else await writeFile(join(root, path), text);
  }
  return root;
}

const root = await contextOf("app", {
  Wrennfile: `# Everything that a directory can do.
FROM minimal
ARG VERSION=none
ENV VERSION=$VERSION
RUN echo version $VERSION
WORKDIR /srv/app
COPY --chown=root:root --chmod=750 bin/*.sh /usr/local/bin/
COPY src ./src
COPY <<NOTE <<'RAW' ./notes/
built as $VERSION
NOTE
kept as $VERSION
RAW
RUN --mount=type=secret,id=token \\
    sha256sum < /run/secrets/token > token.sum
RUN <<'SCRIPT'
set -e
test ! -s /run/secrets/token
find . -type f -o -type l | sort
readlink src/link
stat -c '%a %U' /usr/local/bin/one.sh
cat notes/NOTE notes/RAW
SCRIPT
`,
  ".dockerignore": "**/*.log\nsrc/cache\n!src/cache/kept\n",
  "bin/one.sh": "#!/bin/sh\necho one\n",
  "bin/two.sh": "#!/bin/sh\necho two\n",
  "bin/readme": "not a script",
  "src/a.txt": "a",
  "src/deep/b.log": "left out",
  "src/deep/c.txt": "c",
  "src/cache/lost": "left out",
  "src/cache/kept": "kept",
  "src/link": "-> deep/c.txt",
  "src/outside": "-> ../../outside",
});
await writeFile(join(home, "outside"), "OUTSIDE");
const args = ["build", "-t", "app", "--build-arg", "VERSION=7", "--secret", "id=token,env=API_TOKEN"];

test("a directory is built with its ignore file, links, patterns, owners, heredocs, arguments and secrets", async (t) => {
  const { code, stdout, stderr } = await cli.try([...args, root]);
  assert.deepEqual([code, stdout], [0, "app\n"], stderr);
  assert.match(stderr, /src\/outside links to \.\.\/\.\.\/outside, outside the context/);
  assert.match(stderr, /^#2 \[2\/8\] RUN echo version \$VERSION\n#2 \d+\.\d\d version 7\n#2 DONE \d+\.\ds$/m);
  for (const line of [
    "./src/cache/kept",
    "./src/deep/c.txt",
    "./src/link",
    "./src/outside",
    "deep/c.txt",
    "750 root",
    "built as 7",
    "kept as \\$VERSION",
  ])
    assert.match(stderr, new RegExp(`^#8 \\d+\\.\\d\\d ${line.replaceAll(".", "\\.")}$`, "m"));
  assert.doesNotMatch(stderr, /b\.log|cache\/lost|correct-horse|OUTSIDE/);

  const capsule = await server.capsule(t, { template: "app" });
  const seen = await server.shell(
    capsule,
    "pwd; echo $VERSION; one.sh; cat token.sum; grep -rl correct-horse . || true",
  );
  assert.match(seen.stdout, /^\/srv\/app\n7\none\n[0-9a-f]{64} {2}-\n$/);
  assert.equal(
    (await server.shell(capsule, "readlink src/outside; cat src/outside || true")).stdout,
    "../../outside\n",
  );
});

test("the same directory again is cached, a changed file repeats its step, and --from-step and --no-cache do so too", async () => {
  const cachedOf = ({ steps }: Build): string => steps.map(({ isCached }) => (isCached ? "c" : "-")).join("");
  const again = await cli.json<Build>("build", ...args.slice(1), root);
  assert.deepEqual([again.status, cachedOf(again)], ["success", "cccccccc"]);
  const { stderr } = await cli.try([...args, root]);
  assert.match(stderr, /^#5 \[5\/8\] COPY src \.\/src\n#5 CACHED$/m);
  await writeFile(join(root, "src/deep/b.log"), "is left out anyway");
  assert.equal(cachedOf(await cli.json<Build>("build", ...args.slice(1), root)), "cccccccc");
  await writeFile(join(root, "src/a.txt"), "another");
  assert.equal(cachedOf(await cli.json<Build>("build", ...args.slice(1), root)), "cccc----");
  const fromSeven = await cli.json<Build>("build", ...args.slice(1), "--from-step", "7", root);
  assert.equal(cachedOf(fromSeven), "cccccc--");
  const last = isLong ? await cli.json<Build>("build", ...args.slice(1), "--no-cache", root) : fromSeven;
  if (isLong) assert.equal(cachedOf(last).includes("c"), false);

  const { versions } = await cli.json<{ versions: { version: number; build?: Build }[] }>(
    "template inspect",
    "app",
  );
  assert.equal(versions[0]?.build?.id, last.id);
  assert.match(await cli.run(["template", "inspect", "app"]), new RegExp(`is of build ${last.id}`));
});

test("a recipe from standard input is built, alone and with a directory", async () => {
  const recipe =
    "# a comment\nRUN echo from the \\\n  recipe\nSTART python3 -m http.server 8000\nHEALTHCHECK --interval=200ms CMD wget -qO- http://127.0.0.1:8000/\n";
  const alone = await cli.try(["build", "-t", "web"], recipe);
  assert.deepEqual([alone.code, alone.stdout], [0, "web\n"], alone.stderr);
  assert.match(alone.stderr, /from the recipe/);
  const beside = await cli.try(["build", "-t", "web", "-f", "-", root], "COPY src/a.txt /a\nRUN cat /a\n");
  assert.deepEqual([beside.code, /another/.test(beside.stderr)], [0, true], beside.stderr);
});

test("a step that fails is shown with its position and its last lines, and changes no template", async () => {
  const recipe = "FROM minimal\n\nRUN echo fine\nRUN echo before; \\\n    echo no such thing >&2; exit 3\n";
  const { code, stdout, stderr } = await cli.try(["build", "-t", "broken"], recipe);
  assert.deepEqual([code, stdout], [1, ""], stderr);
  assert.match(stderr, /^#2 ERROR /m);
  assert.match(
    stderr,
    /------\n > \[2\/2\] RUN echo before; +echo no such thing >&2; exit 3:\n(?:before\nno such thing|no such thing\nbefore)\n------\n/,
  );
  assert.match(stderr, /^wrenn: recipe:4:1: .*exit code 3/m);
  const [exit, error] = await cli.failure("build", "-t", "broken", "--file", join(home, "nothing"));
  assert.deepEqual([exit, error.code], [2, "file_unreadable"]);
  assert.equal((await cli.failure("template", "inspect", "broken"))[0], 4);
});

test("what the server refuses has its reason, and nothing is built", async () => {
  const { code, stderr } = await cli.try(["build", "-t", "web", "--from", "no-such-template"], "RUN true\n");
  assert.equal(code, 4, stderr);
  assert.match(stderr, /no-such-template/);
});

test("a build that is interrupted is cancelled, with its capsule", async () => {
  const recipe = join(home, "endless");
  await writeFile(recipe, "RUN echo begun; sleep 600\n");
  const env = programEnvironment(home, { WRENN_DATA_DIR: home, ...access });
  const argv = [join(projectRoot, "wrenn"), "build", "-t", "endless", "-f", recipe];
  const session = new PtySession(argv, { env });
  assert.match(await session.shows("=> => begun", 60_000), /\[\+\] Building \d+\.\ds \(0\/1\)/);
  session.type("\u0003");
  assert.equal((await session.ended).code, 130);
  assert.match(session.output, /build bld-\w+: cancelled/);
  const builds = (await server.call<readonly { name: string; status: string }[]>("GET", "/v1/builds")).body;
  assert.equal(builds.find(({ name }) => name === "endless")?.status, "cancelled");
});

test("a large directory is sent without being in memory as a whole", async () => {
  const mib = isLong ? 90 : 12;
  const large = await contextOf("large", { Wrennfile: "COPY data /data\nRUN stat -c %s /data; rm /data\n" });
  await writeFile(join(large, "data"), Buffer.alloc(mib * 2 ** 20, "x"));
  const { code, stderr } = await cli.try(["build", "-t", "large", large]);
  assert.equal(code, 0, stderr);
  assert.ok(stderr.includes(`sending 1 file (${mib}.0 MiB)`), stderr);
  assert.ok(stderr.includes(String(mib * 2 ** 20)), stderr);
});
