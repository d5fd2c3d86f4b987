/** Something that starts isolated machines, which the bench measures in the same run as Wrenn. */
export interface Peer {
  readonly name: string;
  /** What separates its machines from the host and from each other. */
  readonly isolates: string;
  /** Wrenn itself. Its times are divided by those of the others. */
  readonly isWrenn?: true;
  /** Without one of these the peer is not measured, and its Debian package is named. */
  readonly needs: readonly NeededProgram[];
  /** Measures that it has no way to do, each with the reason. */
  readonly lacks: Partial<Readonly<Record<PeerMeasure, string>>>;
  /** Makes what its machines have in common. */
  open(signal: AbortSignal): Promise<OpenPeer>;
}

export interface NeededProgram {
  readonly program: string;
  readonly debianPackage: string;
}

export interface OpenPeer {
  /** Starts a machine that runs on after its first output. `ms` are those until the output arrived. */
  start(signal: AbortSignal): Promise<{ readonly ms: number; readonly machine: PeerMachine }>;
  /** Removes everything that it has made. Its machines have ended. */
  readonly dispose: () => Promise<void>;
}

/** Each method gives milliseconds, except where another unit is named. Those that the peer lacks are never called. */
export interface PeerMachine {
  /** Until a command in the running machine has printed something. */
  exec(signal: AbortSignal): Promise<number>;
  /** {@link PEER_TRANSFER_BYTES} into a file of the machine. */
  upload(signal: AbortSignal): Promise<number>;
  /** The file that {@link PeerMachine.upload} wrote. */
  download(signal: AbortSignal): Promise<number>;
  /** Memory and processes to disk, and back until a command has printed something. */
  pauseAndResume(signal: AbortSignal): Promise<number>;
  /** Proportional set size of every process that exists for this machine, in MiB. */
  memoryMiB(): Promise<number>;
  end(): Promise<void>;
}

export const PEER_TRANSFER_BYTES = 64 << 20;

/** In the order of the report. */
export const peerMeasures = {
  firstOutput: { title: "fresh machine → first output", unit: "ms" },
  exec: { title: "command in a running machine → output", unit: "ms" },
  upload: { title: "64 MiB into the machine", unit: "ms" },
  download: { title: "64 MiB out of the machine", unit: "ms" },
  tenAtOnce: { title: "ten at once → first output of all", unit: "ms" },
  idleMemory: { title: "idle memory (PSS), one of ten", unit: "MiB" },
  pauseAndResume: { title: "pause to disk and back → output", unit: "ms" },
  destroy: { title: "destroy", unit: "ms" },
} as const;

export type PeerMeasure = keyof typeof peerMeasures;

/** Why a peer starts machines and does nothing else with them. */
export function onlyStarts(reason: string): Peer["lacks"] {
  return {
    exec: reason,
    upload: reason,
    download: reason,
    pauseAndResume: reason,
  };
}
