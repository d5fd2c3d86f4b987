import assert from "node:assert/strict";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { runCommand, tryCommand } from "@wrenn/system";
import { cp as copyVerb } from "../../apps/client/src/verbs/cp.ts";
import type { CopyVerbOptions } from "../../apps/client/src/verbs/cp.ts";
import { runVerb } from "../support/client-verb.ts";
import { FaultProxy } from "../support/fault-proxy.ts";
import { programEnvironment } from "../support/program-environment.ts";
import { projectRoot } from "../support/sources.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* Copies of directories as archives, and of what many links point to. */

const command = join(projectRoot, "wrenn");

let server: TestServer;
let proxy: FaultProxy;
let id: string;
let dir: string;
let variables: Readonly<Record<string, string>>;
before(async () => {
  server = await startTestServer();
  proxy = await FaultProxy.start({ target: { host: "127.0.0.1", port: Number(new URL(server.url).port) } });
  dir = await mkdtemp("/tmp/wrenn-copy-archives-");
  variables = programEnvironment(dir, { WRENN_URL: proxy.url, WRENN_API_KEY: server.apiKey });
  id = await server.capsule(undefined);
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

const local = (path: string): string => join(dir, path);
/** `c:` stands for the capsule. */
const pathOf = (text: string): string => {
  if (text.startsWith("c:")) return text.replace("c", id);
  return text.startsWith("-") || text === "user" ? text : local(text);
};

const cpProgram = async (args: readonly string[], input: Uint8Array): Promise<Ran> =>
  await tryCommand([command, "cp", ...args.map(pathOf)], { env: variables, input });

const cp = async (paths: readonly string[], options: Partial<CopyVerbOptions> = {}): Promise<Ran> =>
  await runVerb(variables, { json: false }, (context) =>
    copyVerb(context, paths.map(pathOf), { verify: true, ...options }),
  );

const shell = async (line: string): Promise<string> => {
  const { stdout, stderr, exit_code: code } = await server.shell(id, line);
  assert.equal(code, 0, stderr);
  return stdout;
};
const tree = async (path: string): Promise<string> =>
  await shell(`cd ${path} && find . -mindepth 1 -printf '%y %m %l %P\\n' | sed 's/^l [0-9]* /l /' | sort`);

test("a directory goes to standard output as a tar archive, and one from standard input is unpacked", async () => {
  await shell(
    "mkdir -p /arc/sub/empty && cd /arc && head -c 1500000 /dev/urandom > big && echo x > sub/x && chmod 640 sub/x && ln -s sub/x link && ln -s /none dangling && chmod 4751 big",
  );
  const script = `${command} cp "$0":/arc - > arc.tar && tar -tf arc.tar | sort`;
  const { stdout } = await runCommand(["bash", "-c", script, id], { env: variables, cwd: dir });
  assert.deepEqual(
    stdout
      .trim()
      .split("\n")
      .map((name) => name.replace(/\/$/, "")),
    ["big", "dangling", "link", "sub", "sub/empty", "sub/x"],
  );
  const archive = await readFile(local("arc.tar"));
  const report = await cpProgram(["-", "c:/unpacked/", "--json"], archive);
  assert.equal(report.code, 0, report.stderr);
  const expected = { files: 2, directories: 2, links: 2, bytes: archive.length, skipped: [], failed: [] };
  assert.deepEqual(JSON.parse(report.stdout), expected);
  await shell("chmod 751 /arc/big");
  assert.equal(await tree("/unpacked"), await tree("/arc"));
  assert.equal(await shell("cmp /arc/big /unpacked/big && stat -c %U /unpacked/big"), "root\n");
  await shell("mkdir /home/user/mine && chown user: /home/user/mine");
  const mine = await cpProgram(["-", "c:mine", "-u", "user"], archive);
  assert.equal(mine.code, 0, mine.stderr);
  assert.match(mine.stderr, /Copied 2 files \(1\.4 MiB\), 2 directories, 2 links\./);
  assert.equal(await shell("stat -c %U /home/user/mine/sub/x"), "user\n");
  // Neither what leads out nor what is cut counts as a success.
  await runCommand(["bash", "-c", "echo bad > out && tar -cPf out.tar ../$(basename $PWD)/out"], {
    cwd: dir,
  });
  const outside = await cpProgram(["-", "c:/unpacked"], await readFile(local("out.tar")));
  assert.deepEqual(
    [outside.code, /Removing leading|contains '\.\.'/.test(outside.stderr)],
    [1, true],
    outside.stderr,
  );
  for (const input of [archive.subarray(0, 900_000), Buffer.from("no archive".repeat(200))]) {
    const cut = await cpProgram(["-", "c:/unpacked"], input);
    assert.deepEqual([cut.code, /was not unpacked completely/.test(cut.stderr)], [1, true], cut.stderr);
  }
  assert.equal((await cp(["c:/arc", "-"], { follow: true })).code, 2);
});

test("-L resolves all links of a list by a few calls", async () => {
  await shell("mkdir /farm && cd /farm && echo f > file && for n in $(seq 100); do ln -s file l$n; done");
  const earlier = proxy.requests.length;
  const farm = await cp(["c:/farm", "farm"], { follow: true });
  assert.equal(farm.code, 0, farm.stderr);
  const asked = proxy.requests.slice(earlier).filter((line) => !line.includes("/files/content"));
  assert.ok(asked.length < 30, asked.join("\n"));
  assert.equal((await readdir(local("farm"))).length, 101);
  assert.equal(await readFile(local("farm/l100"), "utf8"), "f\n");
});
