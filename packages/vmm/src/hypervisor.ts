import type { ProcessIdentity } from "@wrenn/system";

/**
 * Starts machines. A machine is one running VMM process; what it means to a user (a capsule) is not known here.
 * The contract suite in `test/contract` is the definition of this interface: every driver passes it.
 */
export interface Hypervisor {
  /** Driver and accelerator, e.g. "qemu-tcg"; part of what makes a frozen machine compatible. */
  readonly name: string;

  /**
   * Everything a frozen machine depends on besides its own files: VMM version, accelerator, the CPU that guests see, device
   * list. A device state saved under one identity must only be restored under the same; `describeDifference` names what differs.
   */
  identity(signal: AbortSignal): Promise<string>;

  /** The clock that guests take from this host when they boot; undefined where the VMM keeps their clock right. */
  readonly guestClock: GuestClock | undefined;

  /**
   * Boots a machine from a kernel.
   *
   * @throws WrennError `machine_start_failed` with everything released; `dependency_missing` when the VMM is not installed.
   */
  boot(spec: BootSpec, signal: AbortSignal): Promise<Machine>;

  /**
   * Starts a machine from frozen memory and device state. Its memory is mapped privately: the base file is never written.
   *
   * @throws WrennError `machine_start_failed` with everything released.
   */
  restore(spec: RestoreSpec, signal: AbortSignal): Promise<Machine>;

  /**
   * Takes over a machine that an earlier process of ours started in `directory`.
   *
   * @returns undefined when no machine lives there any more.
   */
  adopt(directory: string, signal: AbortSignal): Promise<Machine | undefined>;

  /** Removes what a dead machine left: its directory and its cgroup. Idempotent. */
  clear(id: string, directory: string): Promise<void>;
}

/** A counter of the host that guests read for the time. Their kernel receives its frequency at the boot and keeps it. */
export interface GuestClock {
  /** What guests that boot now receive, in kHz. */
  readonly khz: number;
  /** What a frozen guest received; undefined when its memory does not show it. */
  frozenKhz(memoryFile: string, signal: AbortSignal): Promise<number | undefined>;
}

/** What every machine needs. */
export interface MachineSpec {
  /** Unique name on this host; names the cgroup. Only `[a-z0-9-]`. */
  readonly id: string;
  /** The machine's own directory (sockets, pid record, console): root's, and not seen by the machine. Made by the driver with mode 0700, removed on destroy. */
  readonly directory: string;
  readonly vcpus: number;
  readonly memoryMib: number;
  /** The writable qcow2 image; its backing files are opened read-only. */
  readonly disk: string;
  /** Bytes of the disk that the guest sees, in MiB: what bounds its file on the host. */
  readonly diskMib: number;
  /** Further directories the machine may read (backing files, memory images). */
  readonly readable: readonly string[];
  readonly network?: MachineNetwork;
  /** Unprivileged user and group that the machine runs as; unique per machine. */
  readonly uid: number;
  readonly gid: number;
}

/** A TAP device prepared for the machine's uid inside a named network namespace. */
export interface MachineNetwork {
  /** Path of the namespace, e.g. /run/netns/wrenn-7. */
  readonly namespace: string;
  readonly tap: string;
  readonly mac: string;
}

export interface BootSpec extends MachineSpec {
  /** Uncompressed ELF kernel. */
  readonly kernel: string;
  readonly initramfs: string;
  /** Added to the driver's own kernel command line. */
  readonly commandLine?: string;
  /** Whether the guest randomises the addresses of programs under emulation too; default: false. Under KVM it always does. */
  readonly randomizeAddresses?: boolean;
  /** File that becomes the machine's memory; created, `memoryMib` long. Frozen memory is this file. */
  readonly memoryFile: string;
  /**
   * The memory file exists, holds zeros only, and is mapped privately as in a restore: it is never written, and what the machine
   * saves later lies over it.
   */
  readonly privateMemory?: true;
}

export interface RestoreSpec extends MachineSpec {
  /** Immutable base memory, mapped privately. */
  readonly memoryFile: string;
  /** A diff laid over the base (part of a paused capsule's state), if any. */
  readonly memoryDiff?: string;
  /** Instead of `memoryDiff`: changed pages that are brought in when they are touched. */
  readonly servedMemory?: ServedMemory;
  readonly deviceState: string;
  /**
   * Resolves once the machine may run: its files are known to be undamaged, and its network is ready. The VMM process starts before
   * that; it loads no device state and executes no instruction of the guest. `restore` fails with its rejection.
   */
  readonly mayRun?: Promise<void>;
  /** Called when the VMM answers and loads the state of the machine from now on. */
  readonly onLoading?: () => void;
  /** The virtual CPUs stay stopped. */
  readonly stopped?: boolean;
  /** Its CPUs give way to those of other machines until `resume` is called: no one waits for it. */
  readonly background?: boolean;
}

/**
 * Memory that a page server (native/page-server) brings in. A machine whose server goes away before it has brought in every
 * page ends itself; afterwards it needs none.
 */
export interface ServedMemory {
  /** Unix socket on which the server waits; the machine's user may write it. */
  readonly socket: string;
  /** The file that lists the served pages; the machine's user may read it. */
  readonly ranges: string;
}

/** Where the guest of a machine is reached. */
export interface MachineGuestChannel {
  /** Unix sockets of the two lanes. */
  readonly interactive: string;
  readonly bulk: string;
  /**
   * Connects to one of them and returns the descriptor, which belongs to the caller and does not block.
   *
   * @throws an error with the kernel's code; WrennError `operation_failed` when it is not the machine that answers.
   */
  readonly dial?: (path: string) => number;
}

/** One running (or stopped) machine. Methods reject with WrennError `machine_died` once it is dead. */
export interface Machine {
  readonly id: string;
  readonly directory: string;
  /** Identity of the hypervisor when it started this machine: whatever is saved of it fits that identity only. */
  readonly identity: string;
  /** The VMM process itself. */
  readonly process: ProcessIdentity;
  readonly guestChannel: MachineGuestChannel;
  /** Resolves, never rejects, when the VMM process is gone, with the cause. A machine that the VMM gives up is ended, too. */
  readonly death: Promise<MachineDeath>;
  /** Set while the VMM holds a machine that should run. The driver lets it continue as soon as the cause is gone. */
  readonly stall: MachineStall | undefined;

  /** Calls the observer when a stall begins and, with undefined, when it ends; returns the unsubscriber. */
  onStall(observer: (stall: MachineStall | undefined) => void): () => void;
  /**
   * Stops the virtual CPUs. Idempotent.
   *
   * @throws WrennError `disk_full` while the machine is stalled; it continues by itself as if this had not been called.
   */
  stop(signal: AbortSignal): Promise<void>;
  /** Lets the virtual CPUs run; a stalled machine does so when its stall ends. Idempotent. */
  resume(signal: AbortSignal): Promise<void>;
  /**
   * Stalls a running machine as if its next write had found no room at `path`: it continues by itself once `hasRoom` resolves with
   * true. Does nothing to a machine that is stopped or stalled; may be called while an operation is under way. A process that adopts
   * the machine lets it continue when its driver has room.
   */
  stallUntil(path: string, hasRoom: () => Promise<boolean>, signal: AbortSignal): Promise<void>;
  /** Writes the device state, without memory, to `path`. The machine must be stopped; it can be resumed afterwards. */
  saveDeviceState(path: string, signal: AbortSignal): Promise<void>;
  /** Makes the current disk read-only history and continues on the new overlay `path`, which is created. The machine must be stopped. */
  switchDisk(path: string, signal: AbortSignal): Promise<void>;
  /** Notifies a running guest that its disk, which was made larger than the device that it knows, has `bytes` bytes. */
  resizeDisk(bytes: number, signal: AbortSignal): Promise<void>;
  /** Path of the overlay that the machine writes to. */
  activeDisk(signal: AbortSignal): Promise<string>;
  /** Where the guest's memory lies in the VMM process, for reading dirty pages through /proc. */
  memoryRegion(signal: AbortSignal): Promise<MemoryRegion>;
  /** Ends the process, if it still lives, and removes everything the driver made: directory, cgroup, sockets. Idempotent. */
  destroy(): Promise<void>;
  /** Lets go of the machine without touching it (connections closed, process lives on), so that a later process can adopt it. */
  release(): Promise<void>;
}

export interface MemoryRegion {
  readonly pid: number;
  readonly address: bigint;
  readonly size: number;
}

/**
 * The host has no room for what the guest writes to its disk. The guest stands still and loses nothing: the write is
 * repeated when there is room again.
 */
export interface MachineStall {
  readonly reason: "disk_full";
  /** Where there is no room. */
  readonly path: string;
}

/** Why a machine is gone. */
export interface MachineDeath {
  /** `asked`: destroy or the guest's own power-off; `crashed`: a signal, an exit code, or a VMM that gave up the machine. */
  readonly kind: "asked" | "crashed";
  /** Readable cause with exit code or signal, and the last line the VMM printed. */
  readonly detail: string;
}
