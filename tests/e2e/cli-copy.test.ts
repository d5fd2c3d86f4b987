/* Drawn: apps/client/test and packages/sdk/test show its parts. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { runCommand, tryCommand } from "@wrenn/system";
import { cp as copyVerb } from "../../apps/client/src/verbs/cp.ts";
import type { CopyVerbOptions } from "../../apps/client/src/verbs/cp.ts";
import { runVerb } from "../support/client-verb.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { programEnvironment } from "../support/program-environment.ts";
import { projectRoot } from "../support/sources.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

const LONG = process.env["WRENN_TEST_LONG"] === "1";
const LARGE_BYTES = LONG ? 2 ** 31 : 32 << 20;
const SMALL_FILES = LONG ? 5000 : 250;

let server: TestServer;
let proxy: FaultProxy;
let id: string;
let dir: string;
let variables: Readonly<Record<string, string>>;

before(async () => {
  server = await startTestServer();
  proxy = await FaultProxy.start({ target: { host: "127.0.0.1", port: Number(new URL(server.url).port) } });
  dir = await mkdtemp("/tmp/wrenn-copy-");
  variables = programEnvironment(dir, {
    XDG_CONFIG_HOME: join(dir, ".config"),
    WRENN_URL: server.url,
    WRENN_API_KEY: server.apiKey,
  });
  id = await server.capsule(undefined, LONG ? { disk_mb: 10_240 } : {});
});
after(async () => {
  await rm(dir, { recursive: true, force: true });
  await proxy[Symbol.asyncDispose]();
  await server.close();
});

interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const command = join(projectRoot, "wrenn");

/** A path as a test writes it: `c:` stands for the capsule, and others are in the directory of the test. */
const pathOf = (text: string): string => {
  if (text.startsWith("c:")) return text.replace("c", id);
  return text === "-" || text.includes(":") ? text : `${dir}/${text}`;
};

/** `wrenn cp` as a program. */
const cpProgram = async (
  args: readonly string[],
  input: Uint8Array = Buffer.of(),
  env: Readonly<Record<string, string>> = {},
): Promise<Ran> =>
  await tryCommand([command, "cp", ...args.map(pathOf)], {
    env: { ...variables, ...env },
    input,
  });

/** The verb in this process, which saves the start of a program. */
const cp = async (
  paths: readonly string[],
  { json = false, ...options }: Partial<CopyVerbOptions> & { readonly json?: boolean } = {},
): Promise<Ran> =>
  await runVerb(variables, { json }, (context) =>
    copyVerb(context, paths.map(pathOf), { verify: true, ...options }),
  );

const copied = async (
  source: string,
  destination: string,
  options: Partial<CopyVerbOptions> = {},
): Promise<string> => {
  const ran = await cp([source, destination], options);
  assert.equal(ran.code, 0, `${source} ${destination}: ${ran.stderr}`);
  return ran.stderr;
};

const shell = async (line: string, of = id): Promise<string> => {
  const { stdout, stderr, exit_code: code } = await server.shell(of, line);
  assert.equal(code, 0, stderr);
  return stdout;
};
const local = (path: string): string => join(dir, path);
const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");
/** Kind, mode, link target and name of everything below, without what differs between two copies. */
const TREE =
  "find . -mindepth 1 -printf '%y %m %l %P\\n' | sed 's/^l [0-9]* /l /' | LC_ALL=C sed 's/\\xff/<FF>/' | LC_ALL=C sort";
const treeHere = async (path: string): Promise<string> =>
  (await runCommand(["sh", "-c", TREE], { cwd: local(path) })).stdout;
const treeThere = async (path: string, of = id): Promise<string> => await shell(`cd ${path} && ${TREE}`, of);

test("a file goes where the table says, whether the destination is missing, a file, a directory or a link", async () => {
  await writeFile(local("file"), "one\n");
  await chmod(local("file"), 0o751);
  await shell(
    "mkdir -p /t/dir && ln -s dir /t/dirlink && echo old > /t/old && chmod 600 /t/old && ln -s old /t/link && ln -s none /t/dangling",
  );
  // The same table, in the capsule and here.
  await mkdir(local("t/dir"), { recursive: true });
  await symlink("dir", local("t/dirlink"));
  await writeFile(local("t/old"), "old\n", { mode: 0o600 });
  await symlink("old", local("t/link"));
  await symlink("none", local("t/dangling"));
  await copied("file", "c:/src/");
  for (const [source, root] of [
    ["file", "c:/t"],
    ["c:/src/file", "t"],
  ] as const) {
    await copied(source, `${root}/new`);
    await copied(source, `${root}/newdir/`);
    await copied(source, `${root}/deep/er/new`);
    await copied(source, `${root}/dir`);
    await copied(source, `${root}/dirlink/renamed`);
    await copied(source, `${root}/link`);
    const dangling = await cp([source, `${root}/dangling`]);
    assert.deepEqual(
      [dangling.code, /link to something that does not exist/.test(dangling.stderr)],
      [6, true],
    );
    const slash = await cp([source, `${root}/old/`]);
    assert.deepEqual([slash.code, /is a file/.test(slash.stderr)], [6, true], slash.stderr);
  }
  // Links themselves, several sources, and the content of a directory.
  await symlink("file", local("alink"));
  await copied("alink", "c:/src/");
  for (const [from, root] of [
    ["", "c:/t"],
    ["c:/src/", "t"],
  ] as const) {
    await copied(`${from}alink`, `${root}/links/new`);
    await copied(`${from}alink`, `${root}/links/dir/`);
    await copied(`${from}file`, `${root}/links/over`);
    await copied(`${from}alink`, `${root}/links/over`);
    await copied(`${from}alink`, `${root}/links/dir`, { follow: true });
    const many = await cp([`${from}file`, `${from}alink`, `${root}/links/many/`]);
    assert.deepEqual(
      [many.code, /Copied 1 file \(4 B\), 1 link\./.test(many.stderr)],
      [0, true],
      many.stderr,
    );
  }
  const expected = [
    "d 755  links",
    "d 755  links/dir",
    "d 755  links/many",
    "f 751  links/dir/alink",
    "f 751  links/many/file",
    "l file links/many/alink",
    "l file links/new",
    "l file links/over",
    "d 755  deep",
    "d 755  deep/er",
    "d 755  dir",
    "d 755  newdir",
    "f 751  deep/er/new",
    "f 751  dir/file",
    "f 751  dir/renamed",
    "f 751  new",
    "f 751  newdir/file",
    "f 751  old",
    "l dir dirlink",
    "l none dangling",
    "l old link",
  ].toSorted();
  const tree = expected.map((line) => `${line}\n`).join("");
  assert.equal(await treeThere("/t"), tree);
  assert.equal(await treeHere("t"), tree);
  assert.equal(await shell("cat /t/old /t/new"), "one\none\n");
  assert.equal(await readFile(local("t/old"), "utf8"), "one\n");
});

test("a directory keeps its structure, modes, links and names, both ways and between capsules", async () => {
  await shell(
    String.raw`mkdir -p /tree/a/empty '/tree/b c' && cd /tree && echo x > a/x && chmod 640 a/x && ln -s ../a/x 'b c/link' &&
    ln -s /nowhere dangling && ln -s a dirlink && printf n > "$(printf 'new\nline')" && printf o > "$(printf 'odd\377\\')" && printf e > -n &&
    mkdir closed && echo c > closed/c && chmod 555 closed && chmod 2750 a && mkfifo fifo && head -c 3000000 /dev/urandom > large`,
  );
  const note = await copied("c:/tree", "back");
  assert.match(note, /skipped \S+:\/tree\/fifo: a device/);
  assert.match(note, /Copied 6 files \(2\.9 MiB\), 5 directories, 3 links\./);
  await shell("rm /tree/fifo && chmod g-s /tree/a");
  const tree = await treeThere("/tree");
  assert.equal(await treeHere("back"), tree);
  const other = await server.capsule(undefined);
  await copied("back", "c:/returned");
  assert.equal(await treeThere("/returned"), tree);
  assert.equal(
    await shell("cd /tree && find . -type f -exec cat {} + | sha256sum"),
    await shell("cd /returned && find . -type f -exec cat {} + | sha256sum"),
  );
  await copied("c:/tree/.", `${other}:/there`);
  assert.equal(await treeThere("/there", other), tree);
  // Into a directory that exists it goes under its name; `/.` merges, and it can be repeated.
  await mkdir(local("into"), { mode: 0o700 });
  await copied("c:/tree", "into");
  await copied("c:/tree/.", "into/tree");
  assert.equal(await treeHere("into/tree"), tree);
  assert.equal((await stat(local("into"))).mode & 0o777, 0o700);
  await copied("back/.", "c:/returned/");
  assert.equal(await treeThere("/returned"), tree);
  const overFile = await cp(["back", "c:/tree/a/x"]);
  assert.equal(overFile.code, 6, overFile.stderr);
});

test("-L copies what links point to, and ends where they go in a circle", async () => {
  await shell(
    "mkdir -p /links/d && echo x > /links/d/x && cd /links && ln -s d dl && ln -s d/x fl && ln -s .. d/up",
  );
  const there = await cp(["c:/links", "followed"], { follow: true });
  assert.equal(there.code, 1);
  assert.match(there.stderr, /d\/up was not copied: it is a link to a directory above it/);
  assert.deepEqual((await readdir(local("followed"))).toSorted(), ["d", "dl", "fl"]);
  assert.equal(await readFile(local("followed/dl/x"), "utf8"), "x\n");
  assert.ok((await lstat(local("followed/fl"))).isFile());
  await symlink("followed", local("to-followed"));
  await copied("to-followed", "c:/as-link");
  assert.equal((await shell("readlink /as-link")).trim(), "followed");
  await copied("to-followed", "c:/as-tree", { follow: true });
  assert.equal(await shell("cat /as-tree/dl/x"), "x\n");
  await copied("c:/links/dl/", "slashed");
  assert.deepEqual((await readdir(local("slashed"))).toSorted(), ["up", "x"]);
});

test("entries that cannot be read are named at the end, and the rest is copied", async () => {
  await shell(
    "mkdir -p /part/secret && echo a > /part/a && echo b > /part/b && echo c > /part/secret/c && chmod 600 /part/b && chmod 700 /part/secret",
  );
  const ran = await cp(["c:/part", "part"], { user: "user", json: true });
  assert.equal(ran.code, 1, ran.stderr);
  const report = JSON.parse(ran.stdout) as { files: number; failed: { path: string; code: string }[] };
  assert.equal(report.files, 1);
  assert.deepEqual(
    report.failed.map(({ path, code }) => `${path.replace(/^[^:]*/, "c")} ${code}`).toSorted(),
    ["c:/part/b permission_denied", "c:/part/secret permission_denied"],
  );
  assert.deepEqual((await readdir(local("part"))).toSorted(), ["a", "secret"]);
  await copied("file", "c:owned", { user: "user" });
  assert.equal((await shell("stat -c %U:%a /home/user/owned")).trim(), "user:751");
});

test("a link in the place of a directory is never written through", async () => {
  await shell("mkdir -p /evil/sub && echo bad > /evil/sub/file");
  await mkdir(local("outside"));
  await mkdir(local("victim"));
  await symlink("../outside", local("victim/sub"));
  const here = await cp(["c:/evil/.", "victim"]);
  assert.deepEqual([here.code, /victim|sub was not copied/.test(here.stderr)], [1, true], here.stderr);
  assert.deepEqual(await readdir(local("outside")), []);
  await shell("mkdir -p /outside /victim && ln -s ../outside /victim/sub");
  const there = await cp(["c:/evil/.", "c:/victim"]);
  assert.equal(there.code, 1, there.stderr);
  assert.equal(await shell("ls /outside"), "");
});

test("standard input and output carry bytes, and nothing else goes there", async () => {
  const bytes = randomBytes(2_000_003);
  const sent = await cpProgram(["-", "c:/piped"], bytes);
  assert.equal(sent.code, 0, sent.stderr);
  assert.equal((await shell("sha256sum < /piped")).split(" ")[0], sha256(bytes));
  const script = `${command} cp "$0":/piped - | sha256sum`;
  const { stdout } = await runCommand(["sh", "-c", script, id], { env: variables, cwd: dir });
  assert.equal(stdout.split(" ")[0], sha256(bytes));
  const closed = await runCommand(
    ["bash", "-c", `${command} cp "$0":/piped - | head -c 1 >/dev/null; echo "\${PIPESTATUS[0]}"`, id],
    { env: variables, cwd: dir },
  );
  assert.equal(closed.stdout.trim(), "141");
});

test("what is wrong is named with its remedy", async () => {
  for (const [args, code, text] of [
    [["c:/none", "here"], 4, /\/none does not exist/],
    [["none", "c:/here"], 4, /none does not exist/],
    [["file", "other"], 2, /neither side is in a capsule/],
    [["c:C:/Program Files/Git/tmp/x", "here"], 2, /MSYS_NO_PATHCONV=1/],
    [["c:/dev/null", "here"], 2, /a device, a FIFO or a socket/],
    [["file", "c:/dev/null"], 2, /never replaced/],
    [["file", "back", "c:/nowhere"], 4, /end the path with a slash/],
    [["nothing-of-this-name:/x", "here"], 4, /there is no capsule/],
  ] as const) {
    const ran = await cp(args);
    assert.deepEqual([ran.code, text.test(ran.stderr)], [code, true], `${args.join(" ")}: ${ran.stderr}`);
  }
  await copied("c:/proc/version", "version");
  assert.match(await readFile(local("version"), "utf8"), /^Linux/);
});

test("many small files are copied both ways", async (context) => {
  await mkdir(local("many"));
  for (let at = 0; at < SMALL_FILES; at++) {
    const folder = local(`many/${at % 50}`);
    if (at < 50) await mkdir(folder);
    await writeFile(join(folder, `file-${at}`), `content ${at}\n`.repeat(at % 40));
  }
  let start = performance.now();
  await copied("many", "c:/many");
  context.diagnostic(`${SMALL_FILES} files up: ${Math.round(performance.now() - start)} ms`);
  start = performance.now();
  await copied("c:/many", "many-back");
  context.diagnostic(`${SMALL_FILES} files down: ${Math.round(performance.now() - start)} ms`);
  assert.equal((await tryCommand(["diff", "-r", local("many"), local("many-back")])).stdout, "");
  assert.equal(await treeHere("many-back"), await treeThere("/many"));
});

test("a large file is copied both ways, over connections that are cut", async (context) => {
  await runCommand(["sh", "-c", `head -c ${LARGE_BYTES} /dev/urandom > large`], { cwd: dir });
  const through = { WRENN_URL: proxy.url };
  proxy.plan({ on: /^PATCH /, kind: "cut", after: { requestBytes: 2_000_000 } });
  let start = performance.now();
  const up = await cpProgram(["large", "c:/large"], undefined, through);
  context.diagnostic(`${LARGE_BYTES} bytes up, cut once: ${Math.round(performance.now() - start)} ms`);
  assert.equal(up.code, 0, up.stderr);
  proxy.plan({ on: /^GET .*content/, kind: "cut", after: { responseBytes: 20_000_000 } });
  start = performance.now();
  const down = await cpProgram(["c:/large", "large-back"], undefined, through);
  context.diagnostic(`${LARGE_BYTES} bytes down, cut once: ${Math.round(performance.now() - start)} ms`);
  assert.equal(down.code, 0, down.stderr);
  assert.equal((await tryCommand(["cmp", local("large"), local("large-back")])).code, 0);
  assert.equal(
    (await shell("sha256sum < /large")).split(" ")[0],
    (await runCommand(["sha256sum", local("large")])).stdout.split(" ")[0],
  );
});

for (const signal of ["SIGINT", "SIGKILL"] as const)
  test(`a copy that ${signal} ends in the middle leaves no partial file, and can be repeated`, async () => {
    await mkdir(local("interrupted"), { recursive: true });
    await writeFile(local("medium"), randomBytes(8 << 20));
    await copied("medium", "c:/medium");
    for (const [source, destination] of [
      ["medium", "c:/interrupted/medium"],
      ["c:/medium", "interrupted/medium"],
    ] as const) {
      const args = ["cp", pathOf(source), pathOf(destination)];
      const isUp = source === "medium";
      proxy.plan({
        on: isUp ? /^PATCH / : /^GET .*content/,
        kind: "halt",
        after: isUp ? { requestBytes: 1_000_000 } : { responseBytes: 1_000_000 },
      });
      const earlier = proxy.connections.length;
      const child = spawn(command, args, {
        cwd: dir,
        env: { ...variables, WRENN_URL: proxy.url },
        stdio: "ignore",
      });
      const ended = once(child, "close");
      await eventually("the copy is in its middle", () =>
        proxy.connections
          .slice(earlier)
          .some(({ passed }) => passed[isUp ? "request" : "response"] >= 1_000_000),
      );
      child.kill(signal);
      const [code, by] = (await ended) as [number | null, string | null];
      assert.ok(signal === "SIGINT" ? code === 130 : by === "SIGKILL", `${code} ${by}`);
      proxy.clear();
    }
    assert.equal(await shell("ls -A /interrupted 2>/dev/null || true"), "");
    const left = await readdir(local("interrupted"));
    assert.ok(!left.includes("medium"));
    if (signal === "SIGINT") assert.deepEqual(left, []);
    await copied("c:/medium", "interrupted/medium");
    // What a killed copy left is gone with the next one.
    assert.deepEqual(await readdir(local("interrupted")), ["medium"]);
    await copied("medium", "c:/interrupted/medium");
    await shell("rm -r /interrupted");
    await rm(local("interrupted"), { recursive: true });
  });
