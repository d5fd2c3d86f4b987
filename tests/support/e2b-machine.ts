import { mkdtemp, readFile, rm } from "node:fs/promises";
import { defined } from "@wrenn/core";
import { dataPaths } from "@wrenn/server";
import type { ServerConfig } from "@wrenn/server";
import { tryCommand } from "@wrenn/system";
import type { CommandResult } from "@wrenn/system";
import { nameServerAddress, resolvingBy } from "./client-names.ts";
import { programEnvironment } from "./program-environment.ts";
import { PtySession } from "./pty-session.ts";
import { startTestServer } from "./test-server.ts";
import type { TestServer } from "./test-server.ts";

const DOMAIN = "wrenn.test";
/** A program that takes longer hangs. */
const RUN_MS = 60_000;

/** How clients reach the server: by one URL, or by the names below its domain. */
export type Reach = "plain HTTP" | "a domain with TLS";
export const reaches: readonly Reach[] = ["plain HTTP", "a domain with TLS"];

/** What a run of a program has besides its arguments. */
export interface ClientRun {
  readonly input?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Default: 60 s. Whatever runs longer hangs, and fails its test. */
  readonly limitMs?: number;
}

/**
 * A server on real microVMs as machines of users have it: programs of clients of E2B run with the variables that `wrenn e2b env`
 * prints, and nothing else. Names are resolved by the server's own name server.
 */
export class E2bMachine implements AsyncDisposable {
  readonly server: TestServer;
  /** A key in the form that all clients take. */
  readonly apiKey: string;
  /** Home of the programs. */
  readonly home: string;
  readonly #resolving: readonly [string, ...string[]];
  readonly #release: AsyncDisposableStack;
  readonly #secureUrl: string;
  readonly #authority: string;

  private constructor(
    server: TestServer,
    parts: {
      readonly apiKey: string;
      readonly home: string;
      readonly resolving: readonly [string, ...string[]];
      readonly secure: { readonly url: string; readonly authorityFile?: string | undefined };
      readonly release: AsyncDisposableStack;
    },
  ) {
    this.server = server;
    this.apiKey = parts.apiKey;
    this.home = parts.home;
    this.#resolving = parts.resolving;
    this.#secureUrl = parts.secure.url;
    this.#authority = parts.secure.authorityFile ?? "";
    this.#release = parts.release;
  }

  /** @param start - what the server has besides. */
  static async start(
    config: Partial<ServerConfig> = {},
    start: Pick<NonNullable<Parameters<typeof startTestServer>[0]>, "buildBuiltIn"> = {},
  ): Promise<E2bMachine> {
    await using release = new AsyncDisposableStack();
    const home = await mkdtemp("/tmp/wrenn-client-");
    release.defer(() => rm(home, { recursive: true, force: true }));
    const nameServer = nameServerAddress();
    const server = await startTestServer({
      ...start,
      keepsE2bKey: true,
      config: {
        domain: DOMAIN,
        tls: { host: "127.0.0.1", port: 0 },
        dns: { host: nameServer, port: 53 },
        ...config,
      },
    });
    release.defer(() => server.close());
    const { secure } = server.server;
    if (secure === undefined) throw new Error("the server has no TLS");
    const apiKey = (await readFile(dataPaths(server.dataDirectory).e2bKey, "utf8")).trim();
    const resolving = await resolvingBy(nameServer, home);
    return new E2bMachine(server, {
      apiKey,
      home,
      resolving,
      secure,
      release: release.move(),
    });
  }

  /** Host and port below which clients find everything. */
  get domain(): string {
    return new URL(this.#secureUrl).host;
  }

  /** Options of clients in this process, over plain HTTP. */
  get options() {
    return { apiKey: this.apiKey, apiUrl: this.server.url, sandboxUrl: this.server.url };
  }

  /** The variables of a program. */
  variables(reach: Reach): Readonly<Record<string, string>> {
    const { url } = this.server;
    return programEnvironment(this.home, {
      TERM: "xterm-256color",
      LANG: "C.UTF-8",
      // E2B's command line asks the registry for newer releases otherwise.
      NO_UPDATE_NOTIFIER: "1",
      E2B_API_KEY: this.apiKey,
      ...(reach === "plain HTTP"
        ? { E2B_API_URL: url, E2B_SANDBOX_URL: url }
        : { E2B_DOMAIN: this.domain, NODE_EXTRA_CA_CERTS: this.#authority }),
    });
  }

  /** Runs a script for Node.js to its end, whether or not it succeeds. */
  async run(
    reach: Reach,
    script: string,
    args: readonly string[] = [],
    { input, env = {}, cwd, limitMs = RUN_MS }: ClientRun = {},
  ): Promise<CommandResult> {
    const signal = AbortSignal.timeout(limitMs);
    let output = "";
    try {
      return await tryCommand(this.#command(reach, script, args), {
        env: { ...this.variables(reach), ...env },
        signal,
        onOutput: (text) => void (output += text),
        ...defined({ input, cwd }),
      });
    } catch (error) {
      if (!signal.aborted) throw error;
      throw new Error(`${script} ${args.join(" ")} hangs: ${output}`, { cause: error });
    }
  }

  /** Starts a script in front of a terminal. */
  terminal(reach: Reach, script: string, args: readonly string[]): PtySession {
    return new PtySession(this.#command(reach, script, args), { env: this.variables(reach) });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#release.disposeAsync();
  }

  #command(reach: Reach, script: string, args: readonly string[]): readonly [string, ...string[]] {
    const command = [process.execPath, script, ...args] as const;
    return reach === "plain HTTP" ? command : [...this.#resolving, ...command];
  }
}
