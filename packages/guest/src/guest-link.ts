import { abortable, defined, WrennError } from "@wrenn/core";
import type { Clock, Logger, Random } from "@wrenn/core";
import { guestChannel, UPLOAD_LIFETIME_MS } from "@wrenn/protocol";
import type { CapsuleFiles, CapsuleProcesses } from "@wrenn/protocol";
import { GuestFiles } from "./files/guest-files.ts";
import { GuestRefusal } from "./lane/guest-refusal.ts";
import type { LaneDial } from "./lane/connection.ts";
import { Lane } from "./lane/lane.ts";
import { CapsuleBuffer } from "./memory/capsule-buffer.ts";
import { ProcessTable } from "./processes/process-table.ts";
import { generalError } from "./refusal-to-error.ts";
import type {
  GuestConfiguration,
  GuestCounters,
  GuestInfo,
  GuestListeners,
  QuiesceOptions,
  Shutdown,
} from "./guest-facts.ts";
import { readCounters, readListeners, readPorts, readDiskAtBoot, readShutdown } from "./guest-facts.ts";

const { operation, HANDLE_LIMIT } = guestChannel;
const RUN_HOOKS = 1;
const SLEW_CLOCK = 2;
const UNDO_SHUTDOWN = 1;

export interface GuestLinkOptions {
  /** Unix sockets of the two lanes. */
  readonly interactive: string;
  readonly bulk: string;
  /** How lanes connect; default: as anybody would. */
  readonly dial?: LaneDial;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: Random;
  /** How long an upload is kept after its last byte; default: a day. */
  readonly uploadLifetimeMs?: number;
  /** What the link may hold in memory for its capsule; default: 64 MiB. */
  readonly bufferBytes?: number;
  /** Called for bytes in either direction. */
  readonly onActivity?: () => void;
}

/** The host's side of one guest's channel. */
export class GuestLink {
  readonly processes: CapsuleProcesses;
  readonly files: CapsuleFiles;
  readonly #table: ProcessTable;
  readonly #control: Lane;
  readonly #bulk: Lane;
  readonly #buffer: CapsuleBuffer;
  readonly #logger: Logger;
  #closed = false;

  private constructor(options: GuestLinkOptions) {
    const { clock, logger, random } = options;
    const linkId = Buffer.from(random.bytes(8)).readBigUInt64LE();
    const buffer = new CapsuleBuffer(options.bufferBytes);
    this.#buffer = buffer;
    this.#logger = logger;
    const shared = {
      linkId,
      clock,
      logger,
      random,
      buffer,
      onActivity: options.onActivity ?? ((): void => {}),
      onViolation: (cause: WrennError): void => this.#giveUp(cause),
      ...defined({ dial: options.dial }),
    };
    this.#control = new Lane({
      ...shared,
      path: options.interactive,
      number: guestChannel.lanes.interactive,
    });
    this.#bulk = new Lane({
      ...shared,
      path: options.bulk,
      number: guestChannel.lanes.bulk,
      cancelOperation: guestChannel.operation.cancel,
    });
    // Handles begin anywhere, so that those of an earlier link to the same guest are not met by chance.
    let handle = Buffer.from(random.bytes(4)).readUInt32LE() % (HANDLE_LIMIT / 2);
    const nextHandle = (): number => {
      handle = (handle % (HANDLE_LIMIT - 1)) + 1;
      return handle;
    };
    this.#table = new ProcessTable({
      control: this.#control,
      bulk: this.#bulk,
      buffer,
      nextHandle,
      clock,
      logger,
      random,
    });
    this.processes = this.#table;
    this.files = new GuestFiles(
      { lane: this.#bulk, buffer, nextHandle },
      options.uploadLifetimeMs ?? UPLOAD_LIFETIME_MS,
    );
  }

  /** A link to a guest that need not answer yet: requests wait until it does. */
  static open(options: GuestLinkOptions): GuestLink {
    return new GuestLink(options);
  }

  /**
   * Connects to a guest and returns when its agent has answered on the interactive lane; the bulk lane follows.
   *
   * @throws the signal's reason when the guest does not answer before it aborts.
   */
  static async connect(options: GuestLinkOptions, signal: AbortSignal): Promise<GuestLink> {
    const link = new GuestLink(options);
    const { promise, reject } = Promise.withResolvers<never>();
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    try {
      signal.throwIfAborted();
      await Promise.race([link.#control.ready, promise]);
      return link;
    } catch (error) {
      await link.detach();
      throw error;
    } finally {
      signal.removeEventListener("abort", abort);
    }
  }

  /**
   * Takes over what earlier links left in the guest, for a host agent that was restarted: its processes, with the
   * output that the guest still holds and the exits that happened meanwhile. Bytes that are gone are announced to readers
   * as dropped. Calling it again finds what is new.
   */
  async recover(signal: AbortSignal): Promise<void> {
    // Both lanes: until the bulk lane has met the new link the guest may free bytes that the old one had.
    await abortable(signal, this.connected());
    try {
      await this.#table.recover(signal);
    } catch (error) {
      if (WrennError.is(error, "guest_protocol")) this.#giveUp(error);
      throw error instanceof GuestRefusal ? generalError(error, "listing processes") : error;
    }
  }

  /**
   * Forgets every process that the guest knows, whichever link started it, as if none had been started. Resolves when the guest has.
   */
  async forgetProcesses(signal: AbortSignal): Promise<void> {
    try {
      await this.#table.forgetAll(signal);
    } catch (error) {
      throw error instanceof GuestRefusal ? generalError(error, "forgetting processes") : error;
    }
  }

  async info(signal: AbortSignal): Promise<GuestInfo> {
    const answer = await this.#ask(
      "asking for versions",
      operation.info,
      new guestChannel.BodyWriter(),
      signal,
    );
    return {
      agentVersion: answer.text(),
      kernelRelease: answer.text(),
      instance: answer.bigint(),
      uptimeMs: answer.u64(),
      wallClockNs: answer.bigint(),
      ...defined({ diskAtBoot: readDiskAtBoot(answer) }),
    };
  }

  /**
   * Sets clock, entropy, names and default environment, and runs the restore hooks.
   *
   * @returns what could not be done and does not matter much, such as a file of a user that cannot be written; for the log.
   */
  async configure(settings: GuestConfiguration, signal: AbortSignal): Promise<readonly string[]> {
    const body = new guestChannel.BodyWriter()
      .u64(settings.wallClockNs ?? 0n)
      .bytes(settings.entropy ?? new Uint8Array())
      .text(settings.hostname ?? "")
      .text(settings.machineId ?? "")
      .u64(settings.restoreCount ?? 0n)
      .u32((settings.runHooks === true ? RUN_HOOKS : 0) | (settings.slewClock === true ? SLEW_CLOCK : 0));
    body.list(
      Object.entries(settings.environment ?? {}),
      ([name, value]) => void body.text(name).text(value),
    );
    const answer = await this.#ask("configuring the guest", operation.configure, body, signal);
    answer.bigint();
    // An agent of an earlier version has no warnings: what it could not do was an error.
    return answer.left === 0 ? [] : answer.list(() => answer.text());
  }

  async counters(signal: AbortSignal): Promise<GuestCounters> {
    return readCounters(
      await this.#ask("reading counters", operation.counters, new guestChannel.BodyWriter(), signal),
    );
  }

  /** Listening sockets; of an agent of an earlier version only those of TCP, without their processes. */
  async listeners(signal: AbortSignal): Promise<GuestListeners> {
    const nothing = new guestChannel.BodyWriter().finish();
    try {
      return readListeners(await this.#control.ask(operation.listeners, nothing, signal));
    } catch (error) {
      if (!(error instanceof GuestRefusal)) throw error;
      if (error.status !== guestChannel.status.badRequest) throw generalError(error, "listing ports");
    }
    return readPorts(
      await this.#ask("listing ports", operation.ports, new guestChannel.BodyWriter(), signal),
    );
  }

  async quiesce(options: QuiesceOptions, signal: AbortSignal): Promise<void> {
    const flags = (options.sync ? 1 : 0) | (options.dropCache ? 2 : 0) | (options.freeze ? 4 : 0);
    await this.#ask(
      "quiescing the guest",
      operation.quiesce,
      new guestChannel.BodyWriter().u32(flags),
      signal,
    );
  }

  async thaw(signal: AbortSignal): Promise<void> {
    await this.#ask("thawing the guest", operation.thaw, new guestChannel.BodyWriter(), signal);
  }

  /**
   * Grows the root file system to a disk that has become larger, while it is in use.
   *
   * @throws WrennError `disk_not_growable` when the guest's agent is of a version that cannot do that.
   */
  async growDisk(bytes: number, signal: AbortSignal): Promise<void> {
    const body = new guestChannel.BodyWriter().u64(BigInt(bytes));
    try {
      await this.#control.ask(operation.grow, body.finish(), signal);
    } catch (error) {
      if (!(error instanceof GuestRefusal)) throw error;
      if (error.status === guestChannel.status.badRequest)
        throw new WrennError("disk_not_growable", {}, { cause: error });
      throw generalError(error, "growing the disk");
    }
  }

  /**
   * Ends the users' processes, with `graceMs` between the request to end and the kill, and takes the file systems off, so that the
   * machine can be switched off. Uploads and transfers are given up. An abort leaves the guest on its way there.
   *
   * @returns undefined for an agent of an earlier version, which has done nothing.
   */
  async shutDown(graceMs: number, signal: AbortSignal): Promise<Shutdown | undefined> {
    const body = new guestChannel.BodyWriter().u32(0).u32(graceMs);
    try {
      return readShutdown(await this.#control.ask(operation.shutdown, body.finish(), signal));
    } catch (error) {
      if (!(error instanceof GuestRefusal)) throw error;
      if (error.status === guestChannel.status.badRequest) return undefined;
      throw generalError(error, "shutting down the guest");
    }
  }

  /** Makes the disk of a guest writable again that was shut down; its processes have ended. */
  async undoShutDown(signal: AbortSignal): Promise<void> {
    const body = new guestChannel.BodyWriter().u32(UNDO_SHUTDOWN).u32(0);
    await this.#ask("making the guest's disk writable", operation.shutdown, body, signal);
  }

  /**
   * Cuts both lanes before the machine is frozen. Processes, streams and requests of this link wait for {@link resume}:
   * who reads or writes them notices a pause and nothing else.
   */
  suspend(): void {
    this.#table.suspend();
    this.#control.suspend();
    this.#bulk.suspend();
  }

  /**
   * Connects to the guest again after it was restored from the state in which it was frozen when this link was suspended.
   *
   * @param dial - how lanes connect from now on: the machine that has the guest may be another user.
   *
   * @throws the signal's reason when the guest does not answer before it aborts.
   */
  async resume(signal: AbortSignal, dial?: LaneDial): Promise<void> {
    this.#control.resume(dial);
    this.#bulk.resume(dial);
    await abortable(signal, this.#control.ready);
    this.#table.resume();
  }

  /** Greets a guest again that is silent: its agent may have opened its ports anew, and waits for that. */
  greetAgain(): void {
    this.#control.greetAgain();
    this.#bulk.greetAgain();
  }

  /** Somebody reads the output of a process, so the guest is in use even while no bytes flow. */
  get inUse(): boolean {
    return this.#table.readers > 0;
  }

  /** Frames that have arrived: another number shows that the guest agent runs. */
  get answers(): number {
    return this.#control.received + this.#bulk.received;
  }

  /** Whether it was cut by {@link suspend}. */
  get isSuspended(): boolean {
    return this.#control.isSuspended;
  }

  /** Resolves when both lanes are connected. */
  async connected(): Promise<void> {
    await Promise.all([this.#control.ready, this.#bulk.ready]);
  }

  /** Closes both lanes; the guest keeps everything. */
  async detach(): Promise<void> {
    this.#close(new WrennError("guest_unreachable", { problem: "the guest channel is closed" }));
  }

  /** Whether it was detached, or given up because the guest broke the protocol. It does not connect again then. */
  get isClosed(): boolean {
    return this.#closed;
  }

  /** Bytes of memory that the host holds for the capsule, and that its guest may send at any moment. */
  get bufferedBytes(): number {
    return this.#buffer.used;
  }

  /** The guest broke the protocol. */
  #giveUp(cause: WrennError): void {
    if (this.#closed) return;
    this.#logger.warn("guest.given_up", { problem: cause.message });
    this.#close(cause);
  }

  #close(cause: WrennError): void {
    this.#closed = true;
    this.#control.close(cause);
    this.#bulk.close(cause);
  }

  async #ask(
    what: string,
    op: number,
    body: guestChannel.BodyWriter,
    signal: AbortSignal,
  ): Promise<guestChannel.BodyReader> {
    try {
      return await this.#control.ask(op, body.finish(), signal);
    } catch (error) {
      throw error instanceof GuestRefusal ? generalError(error, what) : error;
    }
  }
}
