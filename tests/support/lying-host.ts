import { createServer, request as httpsRequest } from "node:https";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import type { Duplex } from "node:stream";
import { buffer } from "node:stream/consumers";
import { systemClock, systemRandom, silentLogger } from "@wrenn/core";
import { HostAuthority, makeHostRequest, serveHostAgent } from "@wrenn/host-link";
import type { HostLinkServer, LinkCredentials } from "@wrenn/host-link";
import type { HostAgent } from "@wrenn/protocol";
import { damaged, mutated, strangeFrame } from "./mutated-answers.ts";
import type { SeededRandom } from "./seeded-random.ts";

const HANG_MS = 8000;
const POURED_BYTES = 80 << 20;

interface LyingHostOptions {
  /** What an honest host would answer. */
  readonly agent: HostAgent;
  readonly random: SeededRandom;
  /** Names of others' capsules, templates and hosts. */
  readonly names: readonly string[];
}

/**
 * A host on the real link protocol, with real certificates, whose root is an attacker: an honest agent answers behind it, and it
 * lies on the way.
 */
export class LyingHost implements AsyncDisposable {
  readonly #options: LyingHostOptions;
  readonly #server = createServer({ requestCert: true, rejectUnauthorized: false, minVersion: "TLSv1.3" });
  readonly #honest: HostLinkServer;
  readonly #credentials: LinkCredentials;
  readonly #sockets = new Set<Duplex>();
  isHonest = true;
  /** How often it lied, by the kind of the lie. */
  readonly lies = new Map<string, number>();

  private constructor(options: LyingHostOptions, honest: HostLinkServer, credentials: LinkCredentials) {
    this.#options = options;
    this.#honest = honest;
    this.#credentials = credentials;
    this.#server.on("request", (request, response) => {
      response.on("error", () => undefined);
      this.#answer(request, response).catch(() => response.destroy());
    });
    this.#server.on("upgrade", (_request: IncomingMessage, socket: Duplex) => this.#upgrade(socket));
    this.#server.on("secureConnection", (socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => undefined);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  /** Listens; it has no certificate until {@link show}. */
  static async listen(options: LyingHostOptions): Promise<LyingHost> {
    // Between it and the honest agent there is another authority: the lie is not noticed there.
    const keys = await HostAuthority.make(systemClock, systemRandom);
    const authority = new HostAuthority(keys, systemClock, systemRandom);
    const { keyPem, csrPem } = await makeHostRequest();
    const { certPem, caPem } = await authority.issueHost({
      hostId: "honest",
      address: "127.0.0.1:1",
      csrPem,
    });
    const honest = await serveHostAgent({
      agent: options.agent,
      host: "127.0.0.1",
      port: 0,
      credentials: { key: keyPem, cert: certPem, ca: caPem },
      logger: silentLogger,
    });
    const host = new LyingHost(options, honest, await authority.issueControlPlane());
    await new Promise<void>((resolve) => host.#server.listen(0, "127.0.0.1", resolve));
    return host;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  show(credentials: LinkCredentials): void {
    this.#server.setSecureContext({ ...credentials, minVersion: "TLSv1.3" });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
    await this.#honest.close();
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { random } = this.#options;
    const luck = this.isHonest ? 0 : random.next();
    if (luck > 0.15 && this.#claim(request, response)) return;
    if (luck < 0.3) return await this.#tell(request, response, "honest", (bytes) => bytes);
    if (luck < 0.6) return await this.#tell(request, response, "mutated", (bytes) => this.#mutate(bytes));
    if (luck < 0.75) return await this.#tell(request, response, "damaged", (bytes) => damaged(bytes, random));
    request.resume();
    request.on("error", () => undefined);
    if (luck < 0.8) return this.#hang(response);
    if (luck < 0.85) return this.#drip(response);
    if (luck < 0.88) return this.#pour(response);
    if (luck < 0.92) return this.#frames(response);
    if (luck < 0.96) return this.#refuse(response);
    this.#note("cut");
    request.socket.destroy();
  }

  /** Claims what is of others, where there is a way to: names of templates, capsules, and changes of them. @returns whether it did. */
  #claim(request: IncomingMessage, response: ServerResponse): boolean {
    const { random, names } = this.#options;
    const fact = {
      template: "minimal",
      vcpus: 1,
      memoryMib: 512,
      lastActiveAt: 0,
      metadata: {},
      problem: "forged",
    };
    const status = (): object => ({
      ...fact,
      id: names[random.below(names.length)],
      state: random.pick(["failed", "paused", "running", "gone"]),
      problem: `forged ${random.below(1000)}`,
    });
    const [, kind, name] = (request.url ?? "").split("/");
    if (name === "listTemplates") {
      const claims = names.map((claimed) => ({ name: claimed, sizeBytes: 1, vcpus: 1, memoryMib: 512 }));
      response.end(JSON.stringify({ value: [...claims, { ...claims[0], name: "claimed" }] }));
    } else if (name === "listCapsules" && random.next() < 0.5)
      response.end(JSON.stringify({ value: Array.from({ length: random.below(3000) }, status) }));
    else if (kind === "stream" && name === "changes") {
      response.writeHead(200);
      const timer = setInterval(() => {
        for (let n = 0; n < 500 && !response.writableNeedDrain; n++)
          response.write(frameOf({ value: status() }));
      }, 10);
      response.once("close", () => clearInterval(timer));
      setTimeout(() => response.destroy(), HANG_MS).unref();
    } else return false;
    request.resume();
    this.#note("claim");
    return true;
  }

  /** Passes the request on, and the answer with what `change` makes of it. An answer that is still open is passed on in pieces. */
  async #tell(
    request: IncomingMessage,
    response: ServerResponse,
    kind: string,
    change: (bytes: Buffer) => Buffer,
  ): Promise<void> {
    this.#note(kind);
    const isCall = request.url?.startsWith("/call/") === true;
    const asked = httpsRequest({
      ...this.#credentials,
      host: "127.0.0.1",
      port: this.#honest.port,
      path: request.url,
      method: request.method,
      headers: { "content-type": "application/json" },
      checkServerIdentity: () => undefined,
      agent: false,
    });
    response.once("close", () => asked.destroy());
    request.pipe(asked);
    const answer = await new Promise<IncomingMessage>((resolve, reject) => {
      asked.once("response", resolve);
      asked.once("error", reject);
    });
    answer.on("error", () => response.destroy());
    response.writeHead(answer.statusCode ?? 500);
    if (isCall) {
      response.end(change(await buffer(answer)));
      return;
    }
    answer.on("data", (bytes: Buffer) => response.write(change(bytes)));
    answer.once("end", () => response.end());
  }

  #mutate(bytes: Buffer): Buffer {
    const { random, names } = this.#options;
    try {
      return Buffer.from(JSON.stringify(mutated(JSON.parse(bytes.toString()), random, names)) ?? "");
    } catch {
      return damaged(bytes, random);
    }
  }

  #hang(response: ServerResponse): void {
    this.#note("hang");
    setTimeout(() => response.destroy(), HANG_MS).unref();
  }

  #drip(response: ServerResponse): void {
    this.#note("drip");
    response.writeHead(200);
    const timer = setInterval(() => response.write(" "), 5);
    const end = setTimeout(() => response.destroy(), HANG_MS);
    response.once("close", () => {
      clearInterval(timer);
      clearTimeout(end);
    });
  }

  #pour(response: ServerResponse): void {
    this.#note("pour");
    const { random } = this.#options;
    const unit = random.pick([
      "[],",
      '{"a":1},',
      "x",
      '{"value":[',
      '\u0000\u0000\u0000\u000e\u0000\u0000\u0000\u0000{"value":null}',
    ]);
    const chunk = Buffer.from(unit.repeat(Math.ceil(65_536 / unit.length)));
    response.writeHead(random.pick([200, 500]));
    let poured = 0;
    const more = (): void => {
      while (!response.destroyed && poured < POURED_BYTES) {
        poured += chunk.length;
        if (!response.write(chunk)) {
          response.once("drain", more);
          return;
        }
      }
      response.end();
    };
    more();
  }

  #frames(response: ServerResponse): void {
    this.#note("frames");
    const { random } = this.#options;
    response.writeHead(200);
    for (let left = random.below(2000); left > 0; left--) response.write(strangeFrame(random));
    if (random.next() < 0.5) response.end();
    else setTimeout(() => response.destroy(), HANG_MS).unref();
  }

  #refuse(response: ServerResponse): void {
    this.#note("refuse");
    const { random } = this.#options;
    const reason = random.pick([
      "token_invalid",
      "operation_failed",
      "capsule_not_found",
      "__proto__",
      "client_left",
    ]);
    response.writeHead(random.pick([204, 302, 401, 404, 500, 503]), {
      location: "http://169.254.169.254/",
      "x-filler": "x".repeat(random.below(20_000)),
    });
    response.end(
      JSON.stringify({
        error: { reason, context: { problem: "\n" }, message: "x".repeat(random.below(5000)) },
      }),
    );
  }

  #upgrade(socket: Duplex): void {
    this.#note("upgrade");
    const { random } = this.#options;
    socket.on("error", () => undefined);
    socket.resume();
    const head = random.pick([
      "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: wrenn-dial\r\n\r\n",
      "HTTP/1.1 502 No\r\nContent-Length: 5\r\n\r\n{}{}{}",
      "",
    ]);
    socket.write(head);
    socket.write(random.bytes(random.below(2000)));
    setTimeout(() => socket.destroy(), random.below(1000)).unref();
  }

  #note(kind: string): void {
    this.lies.set(kind, (this.lies.get(kind) ?? 0) + 1);
  }
}

function frameOf(header: unknown): Buffer {
  const text = Buffer.from(JSON.stringify(header));
  const lengths = Buffer.alloc(8);
  lengths.writeUInt32BE(text.length);
  return Buffer.concat([lengths, text]);
}
