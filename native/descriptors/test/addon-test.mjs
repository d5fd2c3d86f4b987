/* Each call with what it is for, and with what it has to refuse. */
import assert from "node:assert/strict";
import {
  closeSync,
  constants,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { createRequire } from "node:module";
import { createServer, Socket } from "node:net";
import { once } from "node:events";
import { release, tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { execFileSync } from "node:child_process";

const addon = createRequire(import.meta.url)(resolve(process.argv[2]));
const directory = mkdtempSync(join(tmpdir(), "wrenn-descriptors-"));
const code = (name) => (error) => error.code === name;

/* A pair, and the credentials of its other end. */
const [one, two] = addon.socketPair();
writeSync(two, "text");
const bytes = Buffer.alloc(4);
readSync(one, bytes);
assert.equal(bytes.toString(), "text");
assert.deepEqual(addon.peer(one), [process.pid, process.getuid(), process.getgid()]);
assert.throws(() => readSync(one, bytes), code("EAGAIN"));

/* A file below a directory, and none by a link, out of it, or of another kind. */
writeFileSync(join(directory, "file"), "content");
mkdirSync(join(directory, "sub"));
symlinkSync("file", join(directory, "link"));
symlinkSync("sub", join(directory, "to-sub"));
writeFileSync(join(directory, "sub/inner"), "inner");
execFileSync("mkfifo", [join(directory, "fifo")]);
const file = addon.openBeneath(directory, "file", constants.O_RDONLY);
assert.equal(readFileSync(file, "utf8"), "content");
assert.throws(() => writeSync(file, "x"), code("EBADF"));
const inner = addon.openBeneath(directory, "sub/inner", constants.O_RDWR);
writeSync(inner, "INNER", 0);
closeSync(inner);
assert.equal(readFileSync(join(directory, "sub/inner"), "utf8"), "INNER");
for (const [name, expected] of [
  ["link", "ELOOP"],
  ["to-sub/inner", "ELOOP"],
  ["../etc/passwd", "EXDEV"],
  ["/etc/passwd", "EXDEV"],
  ["missing", "ENOENT"],
  ["sub", "EPERM"],
  ["fifo", "EPERM"],
])
  assert.throws(() => addon.openBeneath(directory, name, constants.O_RDONLY), code(expected), name);
assert.throws(() => addon.openBeneath(directory, "file", constants.O_CREAT), code("ERR_INVALID_ARG_TYPE"));
assert.throws(() => addon.openBeneath(directory, "fi\0le", constants.O_RDONLY), code("ERR_INVALID_ARG_TYPE"));

/* A descriptor in a message: Perl receives it and reads the file that it stands for. */
const path = join(directory, "socket");
const server = createServer();
const connected = once(server, "connection");
server.listen(path);
await once(server, "listening");
const client = addon.connect(path);
assert.deepEqual(addon.peer(client), [process.pid, process.getuid(), process.getgid()]);
const [accepted] = await connected;
accepted.destroy();
server.close();
const socket = new Socket({ fd: client });
socket.destroy();

const [here, there] = addon.socketPair();
assert.equal(addon.send(here, Buffer.from("with"), [file, file]), true);
const receive = `
import array, os, socket
s = socket.socket(fileno=3)
data, control, flags, address = s.recvmsg(16, socket.CMSG_SPACE(8))
fds = array.array("i"); fds.frombytes(control[0][2])
os.lseek(fds[0], 0, 0)
print(data.decode(), len(fds), os.read(fds[1], 100).decode())`;
const seen = execFileSync("python3", ["-c", receive], {
  stdio: ["ignore", "pipe", "inherit", there],
  env: { PATH: process.env.PATH },
});
assert.equal(seen.toString(), "with 2 content\n");

/* A message is received with its descriptors, and the end is seen. */
const [right, left] = addon.socketPair();
assert.equal(addon.receive(left, 100), undefined);
addon.send(right, Buffer.from("message"), [file]);
const [message, size, [copy]] = addon.receive(left, 100);
assert.equal(message.subarray(0, size).toString(), "message");
assert.equal(fstatSync(copy).ino, fstatSync(file).ino);
for (const fd of [copy, right]) closeSync(fd);
assert.deepEqual(addon.receive(left, 100).slice(1), [0, []]);
closeSync(left);

/* Kernels that can refuse descriptors do so at the end that is ours. */
const [ours, theirs] = addon.socketPair();
try {
  addon.send(theirs, Buffer.from("x"), [file]);
  const [major, minor] = release().split(".").map(Number);
  assert.ok(major < 6 || (major === 6 && minor < 16), "descriptors were taken");
} catch (error) {
  assert.equal(error.code, "EPERM");
}
for (const fd of [ours, theirs]) closeSync(fd);

/* No room: nothing is sent, and that is said. */
let sent = 0;
while (addon.send(here, Buffer.alloc(4096), [file])) sent++;
assert.ok(sent > 0 && sent < 1000, String(sent));
closeSync(there);
assert.throws(() => addon.send(here, Buffer.from("x"), [file]), code("EPIPE"));
assert.throws(() => addon.send(here, Buffer.from("x"), [9999]), code("EBADF"));
for (const wrong of [
  [],
  [1, 2],
  [here, "text", [file]],
  [here, Buffer.alloc(0), [file]],
  [here, Buffer.from("x"), []],
  [here, Buffer.from("x"), Array(9).fill(file)],
  [here, Buffer.from("x"), ["1"]],
  [-1, Buffer.from("x"), [file]],
])
  assert.throws(() => addon.send(...wrong), code("ERR_INVALID_ARG_TYPE"), JSON.stringify(wrong));
assert.throws(() => addon.connect(path), code("ENOENT"));
assert.throws(() => addon.connect("x".repeat(200)), code("ERR_INVALID_ARG_TYPE"));
assert.throws(() => addon.peer(file), code("ENOTSOCK"));
assert.ok(fstatSync(file).isFile());
for (const fd of [one, two, file, here]) closeSync(fd);
rmSync(directory, { recursive: true });
process.stdout.write(
  "ok: pairs, connections, credentials, descriptors in messages, opens below a directory\n",
);
