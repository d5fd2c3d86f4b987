import assert from "node:assert/strict";
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { after, before, test } from "node:test";
import { WrennError } from "@wrenn/core";
import { eventually } from "@wrenn/core/testing";
import { Capsule, isWrennError } from "@wrenn/sdk";
import type { PortConnection } from "@wrenn/sdk";
import { WebSocket } from "ws";
import { PortForward } from "../../apps/client/src/streams/port-forward.ts";
import { TestPlatform } from "../../packages/control-plane/test/support/test-platform.ts";

/* Connections to ports through the real API and the SDK. The services are those of this machine. */

/** More than either side may have on its way. */
const BYTES = 3_000_000;

let platform: TestPlatform;
let capsule: Capsule;
/** Connections to the services, the newest one last. */
const dialled: Socket[] = [];
const services: Server[] = [];
/** Their connections. */
const served: Socket[] = [];

before(async () => {
  platform = await TestPlatform.start();
  platform.openPort = async (port) => {
    const socket = connect({ host: "127.0.0.1", port, allowHalfOpen: true });
    try {
      await once(socket, "connect");
    } catch (error) {
      throw new WrennError("port_not_listening", { port }, { cause: error });
    }
    dialled.push(socket);
    return socket;
  };
  const { body } = await platform.call("POST", "/v1/capsules", { key: platform.apiKey, body: {} });
  capsule = await Capsule.get(String(body["id"]), { url: platform.url, apiKey: platform.apiKey });
});
after(async () => {
  for (const service of services) service.close();
  for (const socket of served) socket.destroy();
  await platform[Symbol.asyncDispose]();
});

async function service(serve: (socket: Socket) => void): Promise<number> {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on("error", () => undefined);
    served.push(socket);
    serve(socket);
  });
  services.push(server);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

const text = async (readable: PortConnection["readable"]): Promise<string> =>
  await new Response(readable).text();

const sha256 = (bytes: Uint8Array): string => createHash("sha256").update(bytes).digest("hex");

async function send(
  writable: PortConnection["writable"],
  bytes: Uint8Array,
  piece = bytes.length,
): Promise<void> {
  const writer = writable.getWriter();
  for (let at = 0; at < bytes.length; at += piece) await writer.write(bytes.subarray(at, at + piece));
  await writer.close();
}

test("each direction ends on its own: what comes after the end of the input still arrives", async () => {
  const port = await service((socket) => {
    const hash = createHash("sha256");
    socket.on("data", (bytes) => hash.update(bytes));
    socket.once("end", () => setTimeout(() => socket.end(hash.digest("hex")), 50));
  });
  const bytes = randomBytes(BYTES);
  const { readable, writable, closed } = await capsule.connectPort(port);
  const [digest] = await Promise.all([text(readable), send(writable, bytes, 100_000)]);
  assert.equal(digest, sha256(bytes));
  await closed;
  const early = await service((socket) => {
    socket.end("bye");
    socket.resume();
  });
  const other = await capsule.connectPort(early);
  assert.equal(await text(other.readable), "bye");
  await send(other.writable, bytes);
  await other.closed;
  await eventually("the connection is gone", () => dialled.every(({ destroyed }) => destroyed));
});

test("an echo of more than both windows arrives exactly while the reader is slow", async () => {
  const port = await service((socket) => void socket.pipe(socket));
  const bytes = randomBytes(BYTES);
  const { readable, writable } = await capsule.connectPort(port);
  const hash = createHash("sha256");
  const reading = (async () => {
    let pieces = 0;
    for await (const piece of readable) {
      hash.update(piece);
      if (++pieces % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    }
  })();
  await send(writable, bytes, 70_001);
  await reading;
  assert.equal(hash.digest("hex"), sha256(bytes));
});

test("a side that reads nothing stops the other one, and nothing is kept beyond the window", async () => {
  let written = 0;
  const flood = await service((socket) => {
    const push = (): void => {
      while (socket.write(Buffer.alloc(65_536), () => (written += 65_536)));
    };
    socket.on("drain", push);
    push();
  });
  const { close } = await capsule.connectPort(flood);
  await eventually("it waits", async () => {
    const before = written;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return before > 0 && before === written;
  });
  const read = dialled.at(-1)?.bytesRead ?? 0;
  assert.ok(
    read <= (512 << 10) + 2 * 65_536,
    `${read} bytes were read of a service whose client reads nothing`,
  );
  close();
  await eventually("the connection is gone", () => dialled.at(-1)?.destroyed);
  const deaf = await service((socket) => void socket.pause());
  const writer = (await capsule.connectPort(deaf)).writable.getWriter();
  let sent = 0;
  void (async () => {
    for (;;) {
      await writer.write(Buffer.alloc(65_536));
      sent += 65_536;
    }
  })().catch(() => undefined);
  await eventually("it waits", async () => {
    const before = sent;
    await new Promise((resolve) => setTimeout(resolve, 200));
    return before > 0 && before === sent;
  });
  await writer.abort();
  await eventually("the connection is gone", () => dialled.at(-1)?.destroyed);
});

test("what nothing listens on is named, and a connection that breaks is an error on both sides", async () => {
  const isReason = (reason: string) => (error: unknown) =>
    isWrennError(error, reason) && error.message !== "";
  await assert.rejects(capsule.connectPort(1), isReason("port_not_listening"));
  await assert.rejects(capsule.connectPort(0), isReason("invalid_option"));
  const port = await service((socket) => void socket.once("data", () => socket.resetAndDestroy()));
  const { readable, writable, closed } = await capsule.connectPort(port);
  const writer = writable.getWriter();
  await writer.write(new Uint8Array(1));
  await assert.rejects(text(readable), isReason("port_hung_up"));
  await assert.rejects(closed, isReason("port_hung_up"));
  await assert.rejects(writer.write(new Uint8Array(1)), isReason("port_hung_up"));
});

test("an abort ends the attempt, and a client that goes away ends the connection to the service", async () => {
  const closed: Socket[] = [];
  const port = await service((socket) => void socket.resume().once("close", () => closed.push(socket)));
  const controller = new AbortController();
  const reason = new Error("enough");
  controller.abort(reason);
  await assert.rejects(capsule.connectPort(port, { signal: controller.signal }), (error) => error === reason);
  const { readable } = await capsule.connectPort(port);
  await readable.cancel();
  await eventually("the service sees it", () => closed.length === 1);
});

test("a client that ignores the window, or writes after its end, is refused", async () => {
  const port = await service((socket) => void socket.pause());
  const session = async (...messages: readonly (string | Buffer)[]): Promise<string> => {
    const url = `${platform.url.replace(/^http/, "ws")}/v1/capsules/${capsule.id}/ports/${port}/tunnel`;
    const socket = new WebSocket(url, ["wrenn.port.tunnel"], { headers: { "x-api-key": platform.apiKey } });
    let error = "";
    socket.on("message", (data: Buffer, isBinary) => {
      const message = isBinary ? {} : (JSON.parse(data.toString()) as { type?: string; data?: string });
      if (message.type === "open") for (const one of messages) socket.send(one);
      if (message.type === "error") error = message.data ?? "";
    });
    await once(socket, "close");
    return error;
  };
  const large = Array.from({ length: 200 }, () => Buffer.alloc(65_536));
  assert.match(await session(...large), /more than 524288 bytes were sent that are not acknowledged/);
  assert.match(await session('{"type":"end"}', Buffer.from("x")), /bytes came after 'end'/);
  assert.match(await session('{"type":"ack","bytes":5}'), /names bytes that were not sent/);
  await eventually("no connection is left", () => dialled.every(({ destroyed }) => destroyed));
});

test("a service that reads nothing does not keep what a client left behind", async () => {
  const port = await service((socket) => void socket.pause());
  for (const isEnded of [true, false]) {
    const { writable, close } = await capsule.connectPort(port);
    const writer = writable.getWriter();
    // Nearly a whole window.
    for (let n = 0; n < 7; n++) await writer.write(new Uint8Array(65_536));
    if (isEnded) await writer.close();
    close();
    await eventually(`it is gone, ended: ${isEnded}`, () => dialled.at(-1)?.destroyed);
  }
});

test("it ends with the key that opened it, at once", async () => {
  const owner = await platform.person("owner");
  const made = await platform.call("POST", "/v1/api-keys", { token: owner.token, body: {} });
  const of = await platform.call("POST", "/v1/capsules", { token: owner.token, body: {} });
  const apiKey = String(made.body["key"]);
  const theirs = await Capsule.get(String(of.body["id"]), { url: platform.url, apiKey });
  const port = await service((socket) => void socket.resume());
  const { readable } = await theirs.connectPort(port);
  const ended = text(readable);
  ended.catch(() => undefined);
  await platform.call("DELETE", `/v1/api-keys/${String(made.body["id"])}`, { token: owner.token });
  await assert.rejects(ended, (error) => isWrennError(error));
  await eventually("the connection is gone", () => dialled.at(-1)?.destroyed);
});

test("a forwarded port takes many connections at once, and says why one was not made", async () => {
  const port = await service((socket) => {
    const hash = createHash("sha256");
    socket.on("data", (bytes) => hash.update(bytes));
    socket.once("end", () => socket.end(hash.digest("hex")));
  });
  const problems: unknown[] = [];
  const ending = new AbortController();
  const start = async (remote: number, local = 0) =>
    await PortForward.start({
      capsule,
      port: { local, remote },
      address: "127.0.0.1",
      onProblem: (error) => problems.push(error),
      signal: ending.signal,
    });
  const forward = await start(port);
  const through = async (local: number, bytes: Uint8Array): Promise<string> => {
    const socket = connect({ host: "127.0.0.1", port: local, allowHalfOpen: true });
    let answer = "";
    socket.setEncoding("utf8").on("data", (piece: string) => (answer += piece));
    socket.on("error", () => undefined);
    socket.end(bytes);
    await new Promise((resolve) => socket.once("close", resolve));
    return answer;
  };
  const work = Array.from({ length: 20 }, async () => {
    const bytes = randomBytes(200_000);
    return [await through(forward.port, bytes), sha256(bytes)];
  });
  for (const [digest, expected] of await Promise.all(work))
    assert.equal(digest, expected, String(problems[0]));
  const deaf = await start(1);
  assert.equal(await through(deaf.port, new Uint8Array(1)), "");
  assert.ok(isWrennError(problems[0], "port_not_listening"), String(problems));
  await assert.rejects(start(port, forward.port), { code: "port_in_use" });
  await assert.rejects(
    PortForward.start({
      capsule,
      port: { local: 0, remote: 1 },
      address: "192.0.2.1",
      onProblem: () => undefined,
      signal: ending.signal,
    }),
    { code: "address_unknown" },
  );
  const held = connect({ host: "127.0.0.1", port: forward.port });
  const gone = once(held, "close");
  held.on("error", () => undefined);
  await once(held, "connect");
  ending.abort();
  await Promise.all([gone, forward.close(), deaf.close()]);
});
