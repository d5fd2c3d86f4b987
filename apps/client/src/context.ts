import { homedir } from "node:os";
import { Wrenn } from "@wrenn/sdk";
import type { Capsule, ConnectionOptions } from "@wrenn/sdk";
import { resolveCapsule } from "./capsules/resolve-capsule.ts";
import { connectionClient } from "./connection/connection-client.ts";
import { findConnection } from "./connection/find-connection.ts";
import type { ServerConnection, LocalServer } from "./connection/find-connection.ts";
import { DEFAULT_PROFILE, profileFile } from "./connection/profiles.ts";
import type { Profiles } from "./connection/profiles.ts";
import type { StateFile } from "./connection/state-file.ts";
import { ClientError } from "./errors/client-error.ts";
import type { SignalName } from "./errors/exit-codes.ts";
import { Exit } from "./errors/report-failure.ts";
import { escapeText } from "./output/escape-text.ts";
import { Output } from "./output/output.ts";

/** From this attempt on the user sees a notice: a connection that is back at once needs none. */
const NOTED_ATTEMPT = 3;

/** What of a process a command works with. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdin: NodeJS.ReadStream;
  readonly stdout: NodeJS.WriteStream;
  readonly stderr: NodeJS.WriteStream;
}

/** What the program knows that a command does not. */
export interface Setup {
  /** The server of this machine, if one runs whose key this user can read. */
  readonly findLocal: () => Promise<LocalServer | undefined>;
  /**
   * A fresh token that creates the first administrator, where the server at the address is that of this machine, has none, and this user
   * may make one. It replaces the one before.
   */
  readonly renewFirstAdmin?: (url: string, signal: AbortSignal) => Promise<string | undefined>;
  /** Runs `task` with a server that is started for it. Undefined where the program has no server. */
  readonly withServer?: (signal: AbortSignal, task: (server: LocalServer) => Promise<void>) => Promise<void>;
}

/** What a command does with a signal of the operating system, such as `SIGINT`. */
export type SignalHandler = (name: SignalName) => void;

/** Options that every command of a server has. */
export interface CommonOptions {
  readonly profile?: string;
  readonly json?: boolean;
}

/** What a command works with: its streams, where it connects, and when it ends. */
export class Context {
  readonly terminal: Terminal;
  readonly setup: Setup;
  readonly output: Output;
  /** Aborts when the command is interrupted, with an `Exit` as its reason. */
  readonly signal: AbortSignal;
  readonly profiles: StateFile<Profiles>;
  /** Set while the command handles signals itself; without it they abort {@link signal}. */
  signalHandler: SignalHandler | undefined;
  readonly #interrupted: AbortController;
  readonly #named: string | undefined;
  #connection: Promise<ServerConnection> | undefined;
  #client: Promise<Wrenn> | undefined;
  #resuming: Pick<ConnectionOptions, "resumeMs" | "onRetry"> = {};

  constructor(terminal: Terminal, setup: Setup, options: CommonOptions, interrupted: AbortController) {
    this.terminal = terminal;
    this.setup = setup;
    this.signal = interrupted.signal;
    this.#interrupted = interrupted;
    this.#named = options.profile;
    this.profiles = profileFile(terminal.env, process.platform, homedir());
    const { stdout, stderr, env } = terminal;
    this.output = new Output({ stdout, stderr, env, isJson: options.json === true });
  }

  /** Ends the command with an exit code, as a signal does that it does not handle. */
  interrupt(exitCode: number): void {
    this.#interrupted.abort(new Exit(exitCode));
  }

  /** Where the command connects. @throws ClientError, see `findConnection`. */
  async connection(): Promise<ServerConnection> {
    this.#connection ??= this.#find();
    return await this.#connection;
  }

  /** Name of the profile that `--profile` or WRENN_PROFILE names, else of the current one. There may be none of this name. */
  async profileName(): Promise<string> {
    const named = this.#named ?? (this.terminal.env["WRENN_PROFILE"] || undefined);
    return named ?? (await this.profiles.read()).current ?? DEFAULT_PROFILE;
  }

  /** The client of the server. @throws as {@link connection}. */
  async wrenn(): Promise<Wrenn> {
    this.#client ??= this.connection().then(
      (connection) => new Wrenn({ ...connectionClient(connection, this.profiles), ...this.#resuming }),
    );
    return await this.#client;
  }

  /** From now on broken streams are resumed until the command is interrupted. Comes before {@link wrenn}. */
  resumeIndefinitely(): void {
    this.#resuming = {
      resumeMs: Number.MAX_SAFE_INTEGER,
      onRetry: ({ attempt, error }) => {
        if (attempt === NOTED_ATTEMPT) this.output.note(`wrenn: ${escapeText(error.message)}; trying again`);
      },
    };
  }

  /**
   * The capsule that the user means: by its id, its name, the beginning of its id, or `-` for the last one.
   *
   * @throws ClientError `capsule_unknown`, `capsule_ambiguous`.
   */
  async capsule(reference: string): Promise<Capsule> {
    const { profile, isLocal } = await this.connection();
    const { profiles, lastLocalCapsule } = await this.profiles.read();
    const last =
      profile === undefined ? (isLocal ? lastLocalCapsule : undefined) : profiles[profile]?.lastCapsule;
    const capsule = await resolveCapsule(await this.wrenn(), reference, last, this.signal);
    await this.remember(capsule.id);
    return capsule;
  }

  /** Makes the capsule the one that `-` means. */
  async remember(id: string): Promise<void> {
    const { profile, isLocal } = await this.connection();
    if (profile === undefined) {
      if (isLocal) await this.#rememberLocally(id);
      return;
    }
    const known = (await this.profiles.read()).profiles[profile];
    if (!known || known.lastCapsule === id) return;
    await this.profiles.update((state) => {
      const entry = state.profiles[profile];
      if (!entry) return state;
      return { ...state, profiles: { ...state.profiles, [profile]: { ...entry, lastCapsule: id } } };
    });
  }

  /** Where nothing can be stored, `-` means nothing; that is no reason to fail. */
  async #rememberLocally(id: string): Promise<void> {
    try {
      if ((await this.profiles.read()).lastLocalCapsule === id) return;
      await this.profiles.update((state) => ({ ...state, lastLocalCapsule: id }));
    } catch {
      return;
    }
  }

  /**
   * Runs `task` with the server of the connection. Where no server is known, one is started for the time of the task, if the program
   * can do that.
   *
   * @param task - `isOwn`: the server was started for it.
   */
  async withServer(task: (isOwn: boolean) => Promise<void>): Promise<void> {
    const { withServer } = this.setup;
    try {
      await this.connection();
    } catch (error) {
      if (!withServer || !(error instanceof ClientError && error.code === "no_server")) throw error;
      return await withServer(this.signal, async ({ url, apiKey }) => {
        const source = "the server that was started for this command";
        this.#connection = Promise.resolve({ url, credentials: { apiKey }, source, profile: undefined });
        await task(true);
      });
    }
    await task(false);
  }

  async #find(): Promise<ServerConnection> {
    const { findLocal } = this.setup;
    const stored = await this.profiles.read();
    return await findConnection({ env: this.terminal.env, named: this.#named, stored, findLocal });
  }
}
