import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import type { AddressInfo, Server } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { silentLogger, systemClock, systemRandom, WrennError } from "@wrenn/core";
import { NativeAgent } from "@wrenn/guest/testing";
import { Sandbox } from "e2b";
import { ENVD_VERSION } from "../../../src/envd-version.ts";
import type { AddressedSandbox, EnvdSandbox } from "../../../src/envd/envd-sandbox.ts";
import { EnvdServer } from "../../../src/envd/envd-server.ts";
import { UploadNotices } from "../../../src/envd/filesystem/upload-notices.ts";
import { readEnvironment } from "../../../src/envd/read-environment.ts";

export const TOKEN = "0tQG31xiMp0IOQfaz9dcwi72L1CPo8e0";
export const SANDBOX_ID = "abcdefghijklmnopqrstuvwxy";

/** Runs what follows it with the directory of the first argument at the place of the second, for it and its children alone. */
const WITH_DIRECTORY = 'mount --bind "$0" "$1" && shift && exec "$@"';

/** The agent's facade before a real guest agent that runs on this machine. */
export class EnvdLab implements AsyncDisposable {
  /** A directory for files, which is the default directory too. */
  readonly directory: string;
  readonly url: string;
  /** The same facade by HTTP/2 without TLS. */
  readonly http2Url: string;
  state: AddressedSandbox["state"] = "running";
  /** Times that the sandbox was resumed by a request. */
  resumes = 0;
  /** Set for a sandbox that ends while a request finds it. */
  isGone = false;
  readonly sandbox: EnvdSandbox;
  readonly #release: AsyncDisposableStack;
  readonly #detach: () => Promise<void>;

  private constructor(
    directory: string,
    sandbox: EnvdSandbox,
    servers: { readonly url: string; readonly http2Url: string },
    { release, detach }: { readonly release: AsyncDisposableStack; readonly detach: () => Promise<void> },
  ) {
    this.directory = directory;
    this.sandbox = sandbox;
    this.url = servers.url;
    this.http2Url = servers.http2Url;
    this.#release = release;
    this.#detach = detach;
  }

  static async start(): Promise<EnvdLab> {
    await using release = new AsyncDisposableStack();
    const directory = await mkdtemp(join(tmpdir(), "wrenn-envd-"));
    release.defer(() => rm(directory, { recursive: true, force: true }));
    const home = await mkdtemp(join(tmpdir(), "wrenn-envd-home-"));
    release.defer(() => rm(home, { recursive: true, force: true }));
    // Login shells read profiles, and files land in the home: neither are those of the developer.
    const within = ["unshare", "--mount", "sh", "-c", WITH_DIRECTORY, home, userInfo().homedir];
    const agent = release.use(await NativeAgent.start(undefined, within));
    const link = await agent.connect();
    const sandbox: EnvdSandbox = {
      id: SANDBOX_ID,
      processes: link.processes,
      files: link.files,
      uploads: new UploadNotices(systemClock),
      defaultUser: "root",
      defaultDirectory: directory,
      identity: { E2B_SANDBOX: "true", E2B_SANDBOX_ID: SANDBOX_ID },
      environment: async (signal) =>
        await readEnvironment(link.processes, { user: "root", names: ["HOME"] }, signal),
      measure: async () => ({
        at: 1_700_000_000.5,
        cpuCount: 2,
        cpuUsedPercent: 12.5,
        memoryTotalBytes: 1 << 30,
        memoryUsedBytes: 1 << 29,
        diskTotalBytes: 1 << 31,
        diskUsedBytes: 1 << 20,
      }),
      touch: () => undefined,
    };
    const server = new EnvdServer({ clock: systemClock, logger: silentLogger, random: systemRandom });
    release.defer(() => server.close());
    const opened: { lab?: EnvdLab } = {};
    const answer = (request: IncomingMessage, response: ServerResponse): void => {
      if (opened.lab) void server.answer(opened.lab.addressed(), request, response);
    };
    const url = await listen(createServer(answer), release);
    const http2 = createHttp2Server((request, response) => {
      answer(request as unknown as IncomingMessage, response as unknown as ServerResponse);
    });
    const http2Url = await listen(http2, release);
    const lab = new EnvdLab(
      directory,
      sandbox,
      { url, http2Url },
      { release: release.move(), detach: () => link.detach() },
    );
    opened.lab = lab;
    return lab;
  }

  /** The sandbox as a request finds it now. */
  addressed(): AddressedSandbox {
    return {
      id: SANDBOX_ID,
      token: TOKEN,
      state: this.state,
      isRunning: async () => !this.isGone,
      open: async () => {
        if (this.isGone) throw new WrennError("capsule_not_found", { id: SANDBOX_ID });
        if (this.state === "resumable") this.resumes++;
        this.state = "running";
        return this.sandbox;
      },
    };
  }

  /** Ends the guest, as the end of a sandbox does. */
  async end(): Promise<void> {
    this.isGone = true;
    await this.#detach();
  }

  /** The published client on this facade. */
  client(options: { readonly token?: string } = {}): Sandbox {
    return new Sandbox({
      sandboxId: SANDBOX_ID,
      envdVersion: ENVD_VERSION,
      envdAccessToken: options.token ?? TOKEN,
      apiKey: `e2b_${"0".repeat(40)}`,
      sandboxUrl: this.url,
    });
  }

  /** A request with the token. */
  async fetch(path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers(init.headers);
    if (!headers.has("x-access-token")) headers.set("x-access-token", TOKEN);
    return await fetch(this.url + path, { ...init, headers });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release.disposeAsync();
  }
}

async function listen(
  server: Server & { closeAllConnections?: () => void },
  release: AsyncDisposableStack,
): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  release.defer(async () => {
    server.closeAllConnections?.();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}
