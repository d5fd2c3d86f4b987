import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";
import { eventually } from "@wrenn/core/testing";
import {
  AuthenticationError,
  CommandExitError,
  FileNotFoundError,
  FileType,
  InvalidArgumentError,
  TimeoutError,
} from "e2b";
import { Sandbox as Earlier } from "e2b-2-45";
import { ENVD_VERSION } from "../../src/envd-version.ts";
import { Process } from "../../src/envd/generated/process_pb.ts";
import { EnvdLab, SANDBOX_ID, TOKEN } from "./support/envd-lab.ts";

const lab = await EnvdLab.start();
after(() => lab[Symbol.asyncDispose]());
const client = lab.client();
const at = (...names: readonly string[]): string => join(lab.directory, ...names);

test("the end of a killed command is the exit code and the text that clients compare literally", async () => {
  const handle = await client.commands.run("sleep 60", { background: true });
  assert.equal(await client.commands.kill(handle.pid), true);
  await assert.rejects(handle.wait(), (error: unknown) => {
    assert.ok(error instanceof CommandExitError);
    return error.exitCode === -1 && error.error === "signal: killed";
  });
  assert.equal(await client.commands.kill(handle.pid), false);
});

test("commands run, fail and time out with the client's own errors", async () => {
  const { stdout, stderr, exitCode } = await client.commands.run("echo out; echo err >&2");
  assert.deepEqual([stdout, stderr, exitCode], ["out\n", "err\n", 0]);
  await assert.rejects(client.commands.run("exit 7"), (error: unknown) => {
    assert.ok(error instanceof CommandExitError);
    return error.exitCode === 7;
  });
  await assert.rejects(client.commands.run("sleep 60", { timeoutMs: 300 }), TimeoutError);
  await assert.rejects(client.commands.run("true", { cwd: "/nowhere" }), InvalidArgumentError);
  await assert.rejects(client.commands.run("true", { user: "nobody-here" }), AuthenticationError);
  await assert.rejects(lab.client({ token: "wrong" }).commands.run("true"), AuthenticationError);
});

test("a command in the background takes input and is connected to", async () => {
  const handle = await client.commands.run("cat", { background: true, stdin: true });
  assert.equal(
    (await client.commands.list()).some(({ pid }) => pid === handle.pid),
    true,
  );
  await handle.disconnect();
  const again = await client.commands.connect(handle.pid);
  await client.commands.sendStdin(handle.pid, "through");
  await client.commands.closeStdin(handle.pid);
  assert.equal((await again.wait()).stdout, "through");
});

test("a terminal is used and resized", async () => {
  let output = "";
  const pty = await client.pty.create({
    cols: 80,
    rows: 24,
    onData: (data) => {
      output += Buffer.from(data).toString();
    },
  });
  await client.pty.resize(pty.pid, { cols: 100, rows: 30 });
  await client.pty.sendInput(pty.pid, Buffer.from("stty size; exit 4\n"));
  await assert.rejects(
    pty.wait(),
    (error: unknown) => error instanceof CommandExitError && error.exitCode === 4,
  );
  assert.match(output, /30 100/);
});

test("files are written, read, listed, moved and removed", async () => {
  const bytes = randomBytes(300_000);
  const written = await client.files.write(at("data.bin"), new Blob([bytes]));
  assert.deepEqual(written, { path: at("data.bin"), name: "data.bin", type: "file", metadata: undefined });
  assert.deepEqual(Buffer.from(await client.files.read(at("data.bin"), { format: "bytes" })), bytes);
  await client.files.write([
    { path: at("many/a.txt"), data: "A" },
    { path: at("many/b.txt"), data: "B" },
  ]);
  const zipped = await client.files.write(at("zipped.txt"), "z".repeat(10_000), { gzip: true });
  assert.equal(zipped.path, at("zipped.txt"));
  assert.equal((await client.files.read(at("zipped.txt"), { gzip: true })).length, 10_000);
  const names = (await client.files.list(at("many"))).map(({ name, type }) => [name, type]);
  assert.deepEqual(names, [
    ["a.txt", FileType.FILE],
    ["b.txt", FileType.FILE],
  ]);
  assert.equal(await client.files.makeDir(at("many")), false);
  assert.equal((await client.files.rename(at("many/a.txt"), at("many/c.txt"))).name, "c.txt");
  await client.files.remove(at("many"));
  assert.equal(await client.files.exists(at("many")), false);
  await assert.rejects(client.files.read(at("many/a.txt")), FileNotFoundError);
});

test("the client of the 2.45 line runs commands and keeps files", async () => {
  const earlier = new Earlier({
    sandboxId: SANDBOX_ID,
    envdVersion: ENVD_VERSION,
    envdAccessToken: TOKEN,
    apiKey: `e2b_${"0".repeat(40)}`,
    sandboxUrl: lab.url,
  });
  assert.equal((await earlier.commands.run("echo earlier")).stdout, "earlier\n");
  await earlier.files.write(at("earlier.txt"), "kept");
  assert.equal(await earlier.files.read(at("earlier.txt")), "kept");
  assert.equal(
    (await earlier.files.list(lab.directory)).some(({ name }) => name === "earlier.txt"),
    true,
  );
});

test("a busy directory is watched", async () => {
  await mkdir(at("busy"));
  const names = new Set<string>();
  const watch = await client.files.watchDir(at("busy"), ({ name }) => void names.add(name), {
    recursive: true,
  });
  await client.commands.run(`cd ${at("busy")}; for i in $(seq 300); do mkdir d$i; echo $i > d$i/f; done`);
  await eventually("every file was seen", async () =>
    Array.from({ length: 300 }, (_, index) => `d${index + 1}/f`).every((name) => names.has(name)),
  );
  await watch.stop();
});

test("addresses that the client signs work without any header", async () => {
  await client.files.write(at("signed.txt"), "by address");
  const download = await client.downloadUrl(at("signed.txt"), { useSignatureExpiration: 60 });
  assert.equal(await (await fetch(download)).text(), "by address");
  const upload = await client.uploadUrl(at("uploaded.txt"));
  const form = new FormData();
  form.append("file", new Blob(["up"]));
  assert.equal((await fetch(upload, { method: "POST", body: form })).status, 200);
  assert.equal(await client.files.read(at("uploaded.txt")), "up");
});

test("the end of a sandbox breaks its streams, and the client says that it was killed", async () => {
  const other = await EnvdLab.start();
  await using release = new AsyncDisposableStack();
  release.use(other);
  const running = other.client().commands.run("sleep 60");
  running.catch(() => undefined);
  const transport = createConnectTransport({
    baseUrl: other.http2Url,
    httpVersion: "2",
    interceptors: [
      (next) => async (sent) => {
        sent.header.set("x-access-token", TOKEN);
        return await next(sent);
      },
    ],
  });
  const byHttp2 = Array.fromAsync(
    createClient(Process, transport).start({ process: { cmd: "sleep", args: ["60"] }, stdin: false }),
  );
  byHttp2.catch(() => undefined);
  await eventually("it runs", async () => (await other.client().commands.list()).length === 2);
  await other.end();
  // By HTTP/2 the stream is reset: it does not end in order.
  await assert.rejects(
    byHttp2,
    (error: unknown) => error instanceof ConnectError && !/missing/.test(error.message),
  );
  await assert.rejects(running, (error: unknown) => {
    assert.ok(error instanceof TimeoutError, String(error));
    return /killed or reached its end of life/.test(error.message) || /end of life/.test(error.message);
  });
  assert.equal(await other.client().isRunning(), false);
});
