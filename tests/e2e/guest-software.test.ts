/* Drawn: the image changes with its packages only. */
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { PackageHost } from "../support/package-host.ts";
import { StreamClient } from "../support/stream-client.ts";
import { startTestServer } from "../support/test-server.ts";
import type { TestServer } from "../support/test-server.ts";

/* What software of the built-in template does, and how more is installed: rows of docs/reference/guest.md. One machine serves all. */

/** Seconds for programs that take a few on an emulated processor of a busy machine. */
const PATIENCE = 120;

let server: TestServer;
let id: string;
const stack = new AsyncDisposableStack();
before(async () => {
  stack.use(await PackageHost.start(`wrgs-${process.pid}`));
  server = await startTestServer();
  stack.defer(() => server.close());
  id = await server.capsule(undefined, { network: { egress: "deny" } });
});
after(() => stack.disposeAsync());

type Run = Awaited<ReturnType<TestServer["shell"]>>;

/** Runs a shell line that must succeed. */
async function run(
  user: "root" | "user",
  line: string,
  envs: Readonly<Record<string, string>> = {},
): Promise<Run> {
  const ran = await server.shell(id, line, { user, envs, timeout_sec: PATIENCE });
  assert.equal(ran.exit_code, 0, `${line}\n${ran.stdout}${ran.stderr}`);
  return ran;
}

test("ssh-keygen makes keys; ssh reports why it cannot connect", async () => {
  const { stdout } = await run(
    "user",
    "ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519 && ssh-keygen -lf ~/.ssh/id_ed25519 && stat -c %a ~/.ssh",
  );
  assert.match(stdout, /^256 SHA256:\S+ user@cl-\S+ \(ED25519\)\n700\n$/);
  const { exit_code, stderr } = await server.shell(id, "ssh -o BatchMode=yes 127.0.0.1 true", {
    user: "user",
  });
  assert.deepEqual(
    [exit_code, stderr.trim()],
    [255, "ssh: connect to host 127.0.0.1 port 22: Connection refused"],
  );
});

test("git commits and clones", async () => {
  const { stdout } = await run(
    "user",
    `set -e
     git config --global user.name Wren; git config --global user.email wren@example.com
     git init --quiet work; cd work; echo one > file; git add file; git commit --quiet --message=First
     git clone --quiet . ../clone; git -C ../clone log --format='%an %s'`,
  );
  assert.equal(stdout, "Wren First\n");
});

test("archives of the usual kinds are packed and unpacked", async () => {
  const { stdout } = await run(
    "user",
    `set -e
     mkdir pack; echo content > pack/file
     for kind in gzip bzip2 xz; do tar --$kind -cf a.$kind pack; tar -xOf a.$kind pack/file; done
     python3 -m zipfile -c a.zip pack; unzip -p a.zip pack/file`,
  );
  assert.equal(stdout, "content\n".repeat(4));
});

test("vi, nano and less work in a terminal", async () => {
  const open = (cmd: string, args: readonly string[]) =>
    StreamClient.open(server, `/v1/capsules/${id}/pty`, { type: "start", cmd, args, user: "user" });
  const vi = await open("vi", ["/tmp/by-vi"]);
  await vi.shows("by-vi");
  vi.type("itext of vi\u001B:wq\r");
  assert.equal((await vi.next("exit"))["exit_code"], 0);
  const nano = await open("nano", ["/tmp/by-nano"]);
  await nano.shows("by-nano");
  nano.type("text of nano\u0018");
  await nano.shows("Save modified buffer");
  nano.type("y\r");
  assert.equal((await nano.next("exit"))["exit_code"], 0);
  assert.equal((await run("user", "cat /tmp/by-vi /tmp/by-nano")).stdout, "text of vi\ntext of nano\n");
  const less = await open("less", ["/tmp/by-vi"]);
  await less.shows("text of vi");
  less.type("q");
  assert.equal((await less.next("exit"))["exit_code"], 0);
});

test("tmux keeps a session that its terminal is detached from", async () => {
  const terminal = await StreamClient.open(server, `/v1/capsules/${id}/pty`, {
    type: "start",
    cmd: "tmux",
    args: ["new-session", "-s", "kept"],
    user: "user",
  });
  await terminal.shows("[kept]");
  terminal.type("echo shown-$((40+2))\r");
  await terminal.shows("shown-42");
  terminal.type("\u0002d");
  assert.equal((await terminal.next("exit"))["exit_code"], 0);
  const { stdout } = await run("user", "tmux capture-pane -p -t kept; tmux kill-server");
  assert.match(stdout, /shown-42/);
});

test("ldd lists libraries that are all there", async () => {
  const { stdout } = await run("user", "ldd /usr/bin/git /usr/bin/python3 /usr/bin/ssh");
  assert.match(stdout, /libc\.so\.6 => \S+/);
  assert.doesNotMatch(stdout, /not found/);
});

test("python3 -m venv makes an environment", async () => {
  const { stdout } = await run(
    "user",
    "python3 -m venv --without-pip env && env/bin/python -c 'import sys; print(sys.prefix)'",
  );
  assert.equal(stdout, "/home/user/env\n");
});

test("without a network apt-get update fails and names what it cannot reach", async () => {
  const { exit_code, stderr } = await server.shell(id, "apt-get update", { timeout_sec: PATIENCE });
  assert.equal(exit_code, 100);
  assert.match(stderr, /^E: Failed to fetch http:\/\/deb\.debian\.org\/\S+ +Temporary failure resolving/m);
});

test("apt installs through the one proxy that the policy allows", async () => {
  const allowed = { egress: "deny", allow: [PackageHost.proxyAddress] };
  assert.equal((await server.call("PUT", `/v1/capsules/${id}/network`, allowed)).status, 200);
  const { package: name, server: host, proxyUrl: url } = PackageHost;
  const direct = await server.shell(id, `curl --silent --max-time 20 http://${host}/`);
  assert.notEqual(direct.exit_code, 0, "only the proxy leads there");
  // As a user sets proxies for all that is started later: commands of every user and logins.
  await run("root", `printf '%s\\n' http_proxy=${url} https_proxy=${url} > /etc/environment`);
  await run(
    "root",
    `set -e
     rm /etc/apt/sources.list
     echo 'deb [trusted=yes] http://${host}/debian ./' > /etc/apt/sources.list.d/packages.list
     apt-get update; apt-get install --yes ${name}`,
  );
  assert.equal((await run("user", name)).stdout, "debian\n");
  await run("root", `apt-get remove --yes ${name}`);
  assert.equal((await server.exec(id, name)).body.exit_code, 127);
});
