import { Commands } from "../commands/commands.ts";
import { isWrennError, WrennError } from "../errors/wrenn-error.ts";
import { Files } from "../files/files.ts";
import type { Git } from "../git/git.ts";
import { templateOf } from "../templates/template.ts";
import type { Template } from "../templates/template.ts";
import type { Terminals } from "../terminals/terminals.ts";
import { clientOf, requireCallOptions } from "../transport/call-options.ts";
import type { CallOptions, ClientOptions } from "../transport/call-options.ts";
import { segment } from "../transport/http.ts";
import type { HttpClient } from "../transport/http.ts";
import { lazily } from "../transport/lazy.ts";
import { invalidOption, present, requireKnownOptions } from "../transport/options.ts";
import { collect, listOf } from "../transport/pages.ts";
import type { WireObject } from "../wire/api-types.ts";
import { CapsuleAccess } from "./capsule-access.ts";
import { capsuleInfo } from "./capsule-info.ts";
import type { CapsuleInfo } from "./capsule-info.ts";
import {
  createBody,
  createOptionNames,
  extendBody,
  listOptionNames,
  listQuery,
  updateBody,
} from "./capsule-options.ts";
import type { CreateOptions, ExtendOptions, ListOptions, UpdateOptions } from "./capsule-options.ts";
import { checkpointOf } from "./checkpoints.ts";
import type { Checkpoint } from "./checkpoints.ts";
import {
  connectCapsule,
  createCapsule,
  destroyCapsule,
  findCapsule,
  LONG_CALL_MS,
  waitForCapsule,
} from "./start-capsule.ts";
import type { WireCapsule } from "./start-capsule.ts";

/** Times that a capsule with a wanted name may end between the look at it and its use. */
const NAME_ATTEMPTS = 20;

/** How a capsule is paused or resumed. */
export interface MemoryOptions extends CallOptions {
  /** Whether memory and processes are kept; otherwise the disk alone, and the next resume boots it. Default: true. */
  readonly memory?: boolean | undefined;
}

/** How a template is made of a capsule. */
export interface SnapshotOptions extends CallOptions {
  /** Whether a template or tag of this name is replaced. Default: false. */
  readonly overwrite?: boolean | undefined;
}

/**
 * A capsule: a small virtual machine.
 *
 * The object is a handle. It keeps no connection, and what it says of the capsule's state is what the server last said:
 * {@link info} asks anew. `await using` destroys the capsules that {@link Capsule.create}, {@link Capsule.getOrCreate} and
 * {@link fork} have made, and leaves others as they are: see {@link isOwned}.
 *
 * @example
 * ```ts
 * await using capsule = await Capsule.create({ memoryMib: 1024 });
 * const { stdout } = await capsule.commands.run("uname -a");
 * ```
 */
export class Capsule extends CapsuleAccess implements AsyncDisposable {
  /** Whether this object made the capsule: `await using` then destroys it. */
  readonly isOwned: boolean;
  /** Runs commands in the capsule, and finds those that run. */
  readonly commands: Commands;
  /** Opens terminals, and connects to those that are open. */
  readonly pty: Terminals;
  /** Reads, writes and watches files of the capsule. */
  readonly files: Files;
  /** Runs git in the capsule. */
  readonly git: Git;
  #lastInfo: CapsuleInfo;

  private constructor(http: HttpClient, wire: WireCapsule, isOwned = false) {
    super(http, wire.id);
    this.isOwned = isOwned;
    this.commands = new Commands(http, wire.id);
    this.pty = lazily(async () => {
      const { Terminals } = await import("../terminals/terminals.ts");
      return new Terminals(http, wire.id);
    });
    this.files = new Files(http, wire.id);
    this.git = lazily(async () => new (await import("../git/git.ts")).Git(this.commands));
    this.#lastInfo = capsuleInfo(wire);
  }

  /**
   * Creates a capsule and resolves when it runs. The request is repeated when its answer is lost, and still makes one capsule.
   *
   * An abort leaves no capsule: one that the server has named is destroyed before the call rejects; one that it has not is destroyed
   * by the server after a minute.
   *
   * @throws WrennError such as `capsule_name_taken`, `template_not_found`, `quota_exceeded`, `operation_failed`.
   */
  static async create(options: CreateOptions & ClientOptions = {}): Promise<Capsule> {
    const call = "Capsule.create";
    const http = clientOf(call, options, createOptionNames);
    const wire = await createCapsule(http, createBody(call, options), options);
    return new Capsule(http, wire, true);
  }

  /**
   * The capsule with this id or name as it runs: one that is being started is waited for, and a paused one is resumed.
   *
   * @throws WrennError `not_found`, `invalid_state` with the reason `capsule_ended`.
   */
  static async connect(idOrName: string, options: CallOptions & ClientOptions = {}): Promise<Capsule> {
    const http = clientOf("Capsule.connect", options, ["signal"]);
    return new Capsule(http, await connectCapsule(http, idOrName, options.signal));
  }

  /** The capsule with this id or name, whatever its state. @throws WrennError `not_found`. */
  static async get(idOrName: string, options: CallOptions & ClientOptions = {}): Promise<Capsule> {
    const http = clientOf("Capsule.get", options, ["signal"]);
    return new Capsule(http, await findCapsule(http, idOrName, options.signal));
  }

  /**
   * The capsules of the team that have not ended, page by page as they are read. Those that are created or destroyed meanwhile neither
   * repeat nor hide others.
   *
   * @example
   * ```ts
   * for await (const capsule of Capsule.list({ metadata: { stage: "test" }, status: "paused" })) await capsule.destroy();
   * ```
   */
  static list(options: ListOptions & ClientOptions = {}): AsyncIterable<Capsule> {
    const call = "Capsule.list";
    const http = clientOf(call, options, listOptionNames);
    const list = { call, path: "/v1/capsules", query: listQuery(options) };
    return listOf(http, list, options, (wire: WireCapsule) => new Capsule(http, wire));
  }

  /**
   * The capsule with this name as it runs, or a new one. Of several callers at once one makes it, and all get the same. The options
   * are those of a new capsule; an existing one keeps its own.
   *
   * @throws as {@link create} and {@link connect}.
   */
  static async getOrCreate(
    name: string,
    options: Omit<CreateOptions, "name"> & ClientOptions = {},
  ): Promise<Capsule> {
    const call = "Capsule.getOrCreate";
    const http = clientOf(
      call,
      options,
      createOptionNames.filter((one) => one !== "name"),
    );
    const body = createBody(call, { ...options, name });
    for (let attempt = 1; ; attempt++) {
      try {
        const found = await findByName(http, name, options.signal);
        if (found) return new Capsule(http, await connectCapsule(http, found.id, options.signal));
        return new Capsule(http, await createCapsule(http, body, options), true);
      } catch (error) {
        // Another caller was first, or the capsule that was found has ended since.
        const isLate = ["capsule_name_taken", "capsule_ended", "capsule_not_found"].some((reason) =>
          isWrennError(error, reason),
        );
        if (!isLate || attempt === NAME_ATTEMPTS) throw error;
      }
    }
  }

  /** The name, as the server last said it; undefined without one. */
  get name(): string | undefined {
    return this.#lastInfo.name;
  }

  /** What the server last said of the capsule to this object. Its status may have changed since: see {@link info}. */
  get lastInfo(): CapsuleInfo {
    return this.#lastInfo;
  }

  /** The capsule as it is now. @throws WrennError `not_found`. */
  async info(options: CallOptions = {}): Promise<CapsuleInfo> {
    requireCallOptions("Capsule.info", options);
    return this.#seen(await findCapsule(this.http, this.id, options.signal));
  }

  /** Changes all that is named, or nothing. @throws WrennError such as `capsule_name_taken`, `capsule_ended`. */
  async update(options: UpdateOptions): Promise<CapsuleInfo> {
    const json = updateBody("Capsule.update", options);
    const request = { json, signal: options.signal, isSafeToRepeat: true };
    return this.#seen(await this.http.json<WireCapsule>("PATCH", this.path, request));
  }

  /** Moves the end of the present run; the next one has `maxLifetimeMs` again. @throws WrennError `invalid_state` unless it runs. */
  async extend(options: ExtendOptions): Promise<CapsuleInfo> {
    const json = extendBody("Capsule.extend", options);
    const isSafeToRepeat = options.fromNowMs !== undefined;
    return await this.#change("extend", { json, signal: options.signal, isSafeToRepeat });
  }

  /**
   * Pauses the running capsule: its memory and processes are kept, or with `memory: false` its disk alone.
   *
   * @throws WrennError `invalid_state` unless it runs.
   */
  async pause(options: MemoryOptions = {}): Promise<CapsuleInfo> {
    requireKnownOptions("Capsule.pause", options, ["memory", "signal"]);
    return await this.#change("pause", memoryRequest(options));
  }

  /**
   * Resumes the paused capsule. With `memory: false` it is booted from its disk, and what was in memory is lost.
   *
   * @throws WrennError `invalid_state` unless it is paused; `snapshot_incompatible`, `snapshot_corrupt`: it stays paused.
   */
  async resume(options: MemoryOptions = {}): Promise<CapsuleInfo> {
    requireKnownOptions("Capsule.resume", options, ["memory", "signal"]);
    return await this.#change("resume", memoryRequest(options));
  }

  /**
   * Starts capsules from this moment of the capsule, which goes on: all of them run, or none is left. They are owned.
   *
   * @param count - 1 to 32. Default: 1.
   */
  async fork(count: number = 1, options: CallOptions = {}): Promise<readonly Capsule[]> {
    requireCallOptions("Capsule.fork", options);
    const request = { json: { count }, signal: options.signal, timeoutMs: LONG_CALL_MS };
    const children = await this.http.json<readonly WireCapsule[]>("POST", `${this.path}/fork`, request);
    return children.map((child) => new Capsule(this.http, child, true));
  }

  /**
   * Keeps this moment of the running capsule, to go back to with {@link restore}.
   *
   * @param name - default: none.
   */
  async checkpoint(name?: string, options: CallOptions = {}): Promise<Checkpoint> {
    requireCallOptions("Capsule.checkpoint", options);
    const request = { json: present({ name }), signal: options.signal, timeoutMs: LONG_CALL_MS };
    return checkpointOf(
      await this.http.json<WireObject<"Checkpoint">>("POST", `${this.path}/checkpoints`, request),
    );
  }

  /** Moments that the capsule can go back to, newest first; the last two pauses are among them. */
  async checkpoints(options: CallOptions = {}): Promise<readonly Checkpoint[]> {
    const call = "Capsule.checkpoints";
    requireCallOptions(call, options);
    return await collect(
      listOf(this.http, { call, path: `${this.path}/checkpoints` }, options, checkpointOf),
    );
  }

  /** Goes back to a moment, memory and disk: what came after is lost, and open streams end. */
  async restore(checkpoint: string | Checkpoint, options: CallOptions = {}): Promise<CapsuleInfo> {
    requireCallOptions("Capsule.restore", options);
    const request = { signal: options.signal, timeoutMs: LONG_CALL_MS };
    return await this.#change(`checkpoints/${checkpointId("Capsule.restore", checkpoint)}/restore`, request);
  }

  /** Deletes a checkpoint. */
  async deleteCheckpoint(checkpoint: string | Checkpoint, options: CallOptions = {}): Promise<void> {
    const call = "Capsule.deleteCheckpoint";
    requireCallOptions(call, options);
    const path = `${this.path}/checkpoints/${checkpointId(call, checkpoint)}`;
    await this.http.json("DELETE", path, { signal: options.signal });
  }

  /**
   * Makes a template of the capsule, which is paused for it and stays paused.
   *
   * @param name - `name` or `name:tag`. Default: one that the server chooses.
   * @throws WrennError `conflict` when the name is taken and `overwrite` is not set.
   */
  async snapshot(name?: string, options: SnapshotOptions = {}): Promise<Template> {
    requireKnownOptions("Capsule.snapshot", options, ["overwrite", "signal"]);
    const { overwrite, signal } = options;
    const json = { sandbox_id: this.id, ...present({ name }) };
    const request = { query: { overwrite }, json, signal, timeoutMs: LONG_CALL_MS };
    return templateOf(await this.http.json<WireObject<"Template">>("POST", "/v1/snapshots", request));
  }

  /** Counts as use of the running capsule: its idle time-out begins again. */
  async ping(options: CallOptions = {}): Promise<void> {
    requireCallOptions("Capsule.ping", options);
    await this.http.json("POST", `${this.path}/ping`, { signal: options.signal, isSafeToRepeat: true });
  }

  /**
   * Waits until the capsule runs: while it is being started or its host does not answer.
   *
   * @throws WrennError `invalid_state` when it has ended or is paused; `host_unavailable` after 30 s without its host.
   */
  async waitUntilRunning(options: CallOptions = {}): Promise<CapsuleInfo> {
    requireCallOptions("Capsule.waitUntilRunning", options);
    return this.#seen(await waitForCapsule(this.http, this.id, options.signal));
  }

  /** Ends the capsule with all that is in it, whatever its state. Can be repeated. */
  async destroy(options: CallOptions = {}): Promise<void> {
    requireCallOptions("Capsule.destroy", options);
    await destroyCapsule(this.http, this.id, options.signal);
  }

  /** Destroys the capsule if this object made it. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.isOwned) await this.destroy();
  }

  /** What the server last said of it. */
  toJSON(): CapsuleInfo {
    return this.#lastInfo;
  }

  async #change(action: string, request: Parameters<HttpClient["json"]>[2]): Promise<CapsuleInfo> {
    return this.#seen(await this.http.json<WireCapsule>("POST", `${this.path}/${action}`, request));
  }

  #seen(wire: WireCapsule): CapsuleInfo {
    this.#lastInfo = capsuleInfo(wire);
    return this.#lastInfo;
  }
}

/** Ids are accepted wherever names are, and text that is neither is refused: a create says better what is wrong with it. */
async function findByName(
  http: HttpClient,
  name: string,
  signal: AbortSignal | undefined,
): Promise<WireCapsule | undefined> {
  try {
    const found = await findCapsule(http, name, signal);
    return found.name === name ? found : undefined;
  } catch (error) {
    if (error instanceof WrennError && (error.status === 404 || error.status === 400)) return undefined;
    throw error;
  }
}

function memoryRequest({ memory, signal }: MemoryOptions) {
  return { json: present({ memory }), signal, timeoutMs: LONG_CALL_MS };
}

function checkpointId(call: string, checkpoint: string | Checkpoint): string {
  const id = typeof checkpoint === "string" ? checkpoint : checkpoint.id;
  if (!/^g\d{1,9}$/.test(id))
    throw invalidOption(call, "checkpoint", `must be an id such as g3, not '${id}'`);
  return segment(id);
}
