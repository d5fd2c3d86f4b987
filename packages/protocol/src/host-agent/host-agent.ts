import type { Duplex } from "node:stream";
import type {
  CapsuleSpec,
  CapsuleStatus,
  CheckpointFacts,
  HostFacts,
  HostStorage,
  MetricPoint,
  MetricRange,
  NetworkDecision,
  NetworkRules,
  SettingsChange,
  SnapshotRequest,
  TemplateFacts,
  IdleMachines,
} from "./facts.ts";
import type { CapsuleFiles } from "./files.ts";
import type { ImageRequest, ImportedImage, ImportProgress } from "./images.ts";
import type { ConsoleLog, ListeningPorts, Measurement, MeasurementQuery } from "./observations.ts";
import type { CapsuleProcesses } from "./processes.ts";
import type { TemplateCopyState, TemplateManifest, TemplatePartRange } from "./template-copies.ts";

/**
 * What the control plane knows of a host: nothing but this interface. On one machine it is a direct object, between
 * machines the client of a link; both pass the contract in `test/contract`, with the same error texts.
 *
 * Every method rejects with `capsule_not_found` for an unknown id and `capsule_not_running` where a running capsule is needed.
 * A signal that aborts ends the wait and undoes what is not complete. An abort that comes after the host has completed an operation
 * changes nothing there, so a caller that gives up an operation looks or destroys.
 */
export interface HostAgent {
  /** Facts of the host, for scheduling and for users. */
  facts(signal: AbortSignal): Promise<HostFacts>;

  /**
   * Starts a capsule from its template and returns when it runs. Nothing is left behind when it rejects, aborted or not; over a link
   * it may be a moment until the host has removed it.
   */
  createCapsule(spec: CapsuleSpec, signal: AbortSignal): Promise<CapsuleStatus>;
  /** Ends a capsule in whatever state it is. Idempotent: an unknown capsule is fine. */
  destroyCapsule(id: string, signal: AbortSignal): Promise<void>;
  /** State of one capsule. */
  capsule(id: string, signal: AbortSignal): Promise<CapsuleStatus>;
  /**
   * Freezes a running capsule: its memory, processes and disk stay, its machine goes. Open streams wait.
   * A failure leaves it running.
   */
  pauseCapsule(id: string, signal: AbortSignal): Promise<CapsuleStatus>;
  /**
   * Lets a paused capsule run on; one whose disk only was kept is booted. A failure leaves it paused with its last good generation.
   *
   * @throws WrennError `capsule_not_paused`, `snapshot_corrupt`, `snapshot_incompatible`.
   */
  resumeCapsule(id: string, signal: AbortSignal): Promise<CapsuleStatus>;
  /**
   * Ends the processes of a running capsule and keeps its disk only; its machine goes, and open streams end. The next resume boots
   * it. Once the processes are being ended an abort changes nothing. A failure leaves it running, without them.
   */
  pauseToDisk(id: string, signal: AbortSignal): Promise<CapsuleStatus>;
  /**
   * Boots a paused capsule from its disk; a memory that was kept is not used, and open streams end. A disk that was not unmounted
   * is checked and repaired first. A failure leaves it paused as it was.
   *
   * @throws WrennError `capsule_not_paused`.
   */
  bootCapsule(id: string, signal: AbortSignal): Promise<CapsuleStatus>;
  /** Keeps this moment of a running capsule, which goes on. */
  checkpointCapsule(id: string, name: string | undefined, signal: AbortSignal): Promise<CheckpointFacts>;
  /** Moments that can be gone back to, newest first: checkpoints and the last pauses. */
  listCheckpoints(id: string, signal: AbortSignal): Promise<readonly CheckpointFacts[]>;
  /** Takes a running or paused capsule back to a moment; what came after is lost. */
  restoreCheckpoint(id: string, checkpoint: string, signal: AbortSignal): Promise<CapsuleStatus>;
  /** @throws WrennError `checkpoint_in_use` for the moment that a paused capsule resumes from. */
  deleteCheckpoint(id: string, checkpoint: string, signal: AbortSignal): Promise<void>;
  /**
   * Starts capsules from this moment of a running one, which goes on, or from the disk of one that was paused without its memory:
   * then each is booted. All of them run, or none is left.
   */
  forkCapsule(
    id: string,
    children: readonly CapsuleSpec[],
    signal: AbortSignal,
  ): Promise<readonly CapsuleStatus[]>;
  /** Like {@link forkCapsule}, but a child that cannot be started leaves the others: its status is `failed`, with the problem. */
  forkEach(
    id: string,
    children: readonly CapsuleSpec[],
    signal: AbortSignal,
  ): Promise<readonly CapsuleStatus[]>;
  /**
   * Makes a template of a paused capsule. Where its disk alone was kept and no program of it is a user's, programs are run once before
   * the machine is frozen, so that capsules find them in memory.
   */
  createSnapshot(id: string, template: SnapshotRequest, signal: AbortSignal): Promise<TemplateFacts>;
  /** Removes a template made of a capsule. @throws WrennError `template_in_use`. */
  deleteSnapshot(key: string, signal: AbortSignal): Promise<void>;
  /** Describes a template made of a capsule, for a copy of it. @throws WrennError `template_not_found`. */
  describeTemplate(key: string, signal: AbortSignal): Promise<TemplateManifest>;
  /**
   * The content of a part of a template from a block on, packed for {@link HostAgent.writeTemplatePart} of another host.
   *
   * @throws WrennError `template_not_found`, when it is asked for or while it is read.
   */
  readTemplatePart(range: TemplatePartRange, signal: AbortSignal): Promise<AsyncIterable<Uint8Array>>;
  /**
   * Begins a copy of a template of another host, or continues one: what has arrived of its parts is kept for some minutes.
   *
   * @throws WrennError `disk_full`; `snapshot_incompatible` when machines of this host cannot run it; `template_copy_invalid`.
   */
  beginTemplateCopy(manifest: TemplateManifest, signal: AbortSignal): Promise<TemplateCopyState>;
  /**
   * Adds content to a part. When it is cut off, what has arrived stays.
   *
   * @throws WrennError `template_copy_busy` while another caller sends the part, or sends from another block; `template_copy_invalid`
   * for content that is not what the manifest says, which is discarded.
   */
  writeTemplatePart(
    range: TemplatePartRange,
    content: AsyncIterable<Uint8Array>,
    signal: AbortSignal,
  ): Promise<void>;
  /** Makes a template of a copy whose parts are all there. @throws WrennError `template_not_found` for one that was not begun. */
  finishTemplateCopy(key: string, signal: AbortSignal): Promise<TemplateFacts>;
  /** Discards what has arrived of a copy; one that is not under way is fine. */
  abandonTemplateCopy(key: string, signal: AbortSignal): Promise<void>;
  /**
   * Keeps this moment of a running capsule, which goes on, under a key of the caller's: capsules can start from it until the host
   * needs its room. A moment that is there already stays. Without `memory` its disk is kept alone, and such capsules are booted.
   */
  cacheMoment(
    id: string,
    moment: { readonly key: string; readonly memory: boolean },
    signal: AbortSignal,
  ): Promise<void>;
  /** Which of these moments are there. */
  cachedMoments(keys: readonly string[], signal: AbortSignal): Promise<readonly string[]>;
  /** Removes these moments; those that are not there are fine. */
  dropMoments(keys: readonly string[], signal: AbortSignal): Promise<void>;
  /**
   * Stores an archive of images for an import, while it arrives. Nothing is left of one that does not arrive as a whole; one that
   * nobody drops is removed after a day.
   *
   * @param id - chosen by the caller.
   * @throws WrennError `disk_full`; what reading `content` throws.
   */
  receiveImage(id: string, content: AsyncIterable<Uint8Array>, signal: AbortSignal): Promise<void>;
  /** Removes such an archive; one that is not there is fine. */
  dropImage(id: string, signal: AbortSignal): Promise<void>;
  /**
   * Makes a template of an image of a registry or archive: pulls it unless this host has it, and writes it to a disk that this host's kernel boots.
   * An image that is there is looked up again by its name alone. An abort leaves nothing but finished downloads.
   *
   * @throws WrennError `image_reference_invalid`, `image_not_found`, `image_access_denied`, `registry_unreachable`,
   *   `image_platform_missing`, `image_damaged`, `image_unsupported`, `image_layer_refused`, `image_too_large`, `disk_full`; for an
   *   archive also `image_archive_invalid`, `image_choice_needed`.
   */
  importImage(request: ImageRequest, signal: AbortSignal): Promise<ImportedImage>;
  /** How far the import of a caller's id is; undefined when none is under way. */
  importProgress(id: string, signal: AbortSignal): Promise<ImportProgress | undefined>;
  /** Keeps the capsule awake until the returned function is called: something of it is in use. */
  hold(id: string): () => void;

  /** Changes what a capsule may reach, at once when it runs. @throws WrennError `invalid_field` for what is no IPv4 network. */
  setNetwork(id: string, network: NetworkRules, signal: AbortSignal): Promise<void>;
  /**
   * Changes settings of a running or paused capsule, all or none, at once.
   *
   * @throws WrennError `invalid_field` for what is no IPv4 network; `capsule_not_running` for an end of the present run of a
   * capsule that is paused.
   */
  changeSettings(id: string, change: SettingsChange, signal: AbortSignal): Promise<void>;
  /** What a running capsule lately wanted to reach, and what became of it; newest last. */
  networkDecisions(id: string, signal: AbortSignal): Promise<readonly NetworkDecision[]>;
  /** How busy the capsule was; oldest first. A capsule that has been paused keeps what was measured before. */
  metrics(id: string, range: MetricRange, signal: AbortSignal): Promise<readonly MetricPoint[]>;

  /**
   * The same in more detail and in steps of the caller's; oldest first. A step coarser than what is kept gives means; network bytes
   * are sums.
   */
  measurements(id: string, query: MeasurementQuery, signal: AbortSignal): Promise<readonly Measurement[]>;
  /** What listens in the capsule: as it is now in a running one, as it was last in a paused one. */
  listeners(id: string, signal: AbortSignal): Promise<ListeningPorts>;
  /**
   * Reports what listens in a capsule when that changed, at most once a second for each; running capsules are reported when the
   * observation begins. Returns the unsubscriber.
   */
  onListeners(observer: (listeners: ListeningPorts) => void): () => void;
  /**
   * What the capsule wrote to its console from `from` on, as far as it is kept: at least the last 128 KiB or 4,096 pieces, also of machines that it
   * had before a pause. A larger `offset` than asked means that the bytes between are not kept any longer.
   */
  consoleLog(id: string, from: number, signal: AbortSignal): Promise<ConsoleLog>;

  /** What the capsules of this host occupy on its disk. */
  storage(signal: AbortSignal): Promise<HostStorage>;
  /**
   * Says whether machines may wait here for capsules that come; until the first call they may. When they may not, those that wait are
   * ended. @returns what waits then.
   */
  allowWaiting(allowed: boolean, signal: AbortSignal): Promise<IdleMachines>;
  /** Everything this host holds. */
  listCapsules(signal: AbortSignal): Promise<readonly CapsuleStatus[]>;

  /** Processes and terminals of a running capsule. */
  processes(id: string): CapsuleProcesses;
  /** Files of a running capsule. */
  files(id: string): CapsuleFiles;

  /**
   * Connects to a port of a running capsule. With `halfOpen` each direction ends on its own. Aborting while it connects ends the
   * attempt.
   *
   * @throws the operating system's error with its `code`, `ECONNREFUSED` while nothing listens.
   */
  dial(
    id: string,
    port: number,
    options: { readonly halfOpen: boolean; readonly signal: AbortSignal },
  ): Promise<Duplex>;

  /** Templates this host can start capsules from. */
  listTemplates(signal: AbortSignal): Promise<readonly TemplateFacts[]>;

  /** Tells the observer of every change of state of any capsule; returns the unsubscriber. */
  onChange(observer: (status: CapsuleStatus) => void): () => void;
}
