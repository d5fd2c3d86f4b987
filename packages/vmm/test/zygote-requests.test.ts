import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import type { Socket } from "node:net";
import { before, test } from "node:test";
import { eventually } from "@wrenn/core/testing";
import { jailCommand } from "../src/jail/jailed-program.ts";
import type { JailedProgram } from "../src/jail/jailed-program.ts";
import { AnswerReader, encodeRequest } from "../src/zygote/zygote-frames.ts";
import type { ZygoteAnswer } from "../src/zygote/zygote-frames.ts";
import { buildNativeParts, jailedPerl, library, perl } from "./support/jailed-perl.ts";

/* The library itself, on a socket whose other end sends what it likes. */

before(() => buildNativeParts());

interface RawZygote extends Disposable {
  readonly socket: Socket;
  readonly answers: readonly ZygoteAnswer[];
  readonly hasEnded: () => boolean;
}

function startRaw(environment: Readonly<Record<string, string>> = { WRENN_ZYGOTE: perl }): RawZygote {
  const child = spawn(perl, ["-e", "print 'runs'"], {
    argv0: "wrenn-zygote",
    env: { LD_PRELOAD: library, ...environment },
    stdio: ["ignore", "ignore", "inherit", "pipe"],
  });
  const socket = child.stdio[3] as Socket;
  const reader = new AnswerReader();
  const answers: ZygoteAnswer[] = [];
  socket.on("data", (bytes: Buffer) => answers.push(...reader.read(bytes)));
  let ended = false;
  child.once("exit", () => (ended = true));
  return { socket, answers, hasEnded: () => ended, [Symbol.dispose]: () => void child.kill("SIGKILL") };
}

function frame(length: number, id: number, text: string | Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt32LE(length, 0);
  header.writeUInt32LE(id, 4);
  return Buffer.concat([header, Buffer.from(text)]);
}

const untilAnswered = (zygote: RawZygote, count: number): Promise<unknown> =>
  eventually(`${count} answers`, () => zygote.answers.length >= count);

/** Whether a request that is in order is still served. */
async function serves(zygote: RawZygote, id: number): Promise<void> {
  await using program = await jailedPerl("sleep 60");
  const known = zygote.answers.length;
  zygote.socket.write(encodeRequest(id, jailCommand(program)) ?? "");
  await untilAnswered(zygote, known + 1);
  const answer = zygote.answers[known];
  assert.equal(answer?.id, id);
  const { pid } = JSON.parse(answer.text) as { readonly pid: number };
  process.kill(pid, "SIGKILL");
}

test("a request that is malformed costs that request only", async () => {
  using zygote = startRaw();
  await untilAnswered(zygote, 1);
  assert.deepEqual(zygote.answers, [{ id: 0, text: "ready\n" }]);
  const words = (count: number): Buffer => Buffer.from("a\0".repeat(count));
  const requests: readonly (readonly [Buffer, RegExp])[] = [
    [frame(3, 1, "abc"), /^wrenn-zygote: malformed request\n$/],
    [frame(1026, 2, words(513)), /^wrenn-zygote: malformed request\n$/],
    [frame(65_537, 3, Buffer.alloc(65_537, "x")), /^wrenn-zygote: malformed request\n$/],
    [frame(1_000_000, 4, Buffer.alloc(1_000_000)), /^wrenn-zygote: malformed request\n$/],
    [frame(1, 5, "\0"), /^wrenn-jail: wrong arguments/],
    [frame(65_536, 6, Buffer.alloc(65_536, "x\0")), /^wrenn-zygote: malformed request\n$/],
    [frame(5, 0xffffffff, "jail\0"), /^wrenn-jail: wrong arguments/],
  ];
  for (const [request, text] of requests) {
    const known: number = zygote.answers.length;
    zygote.socket.write(request);
    await untilAnswered(zygote, known + 1);
    assert.equal(zygote.answers[known]?.id, request.readUInt32LE(4));
    assert.match(zygote.answers[known]?.text ?? "", text);
  }
  await serves(zygote, 7);
});

test("a request for another program than the loaded one, or for one that runs as root, is refused", async () => {
  using zygote = startRaw();
  await untilAnswered(zygote, 1);
  const attempts: readonly (readonly [Partial<JailedProgram>, RegExp])[] = [
    [{ program: ["/bin/sh"] }, /^wrenn-zygote: another program is loaded\n$/],
    [{ uid: 0 }, /^wrenn-jail: wrong arguments/],
    [{ gid: 0 }, /^wrenn-jail: wrong arguments/],
  ];
  for (const [index, [change, text]] of attempts.entries()) {
    await using program = await jailedPerl("", change);
    zygote.socket.write(encodeRequest(index + 1, jailCommand(program)) ?? "");
    await untilAnswered(zygote, index + 2);
    assert.match(zygote.answers[index + 1]?.text ?? "", text);
  }
  await serves(zygote, 9);
});

test("half a request and a closed socket end it", async () => {
  using zygote = startRaw();
  await untilAnswered(zygote, 1);
  zygote.socket.end(frame(100, 1, "half"));
  await eventually("it ends", () => zygote.hasEnded());
  assert.equal(zygote.answers.length, 1);
});

test("without its variable the library lets the program run", async () => {
  using plain = startRaw({});
  await eventually("it ends", () => plain.hasEnded());
  assert.deepEqual(plain.answers, []);
});
