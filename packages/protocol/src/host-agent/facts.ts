import { Type } from "typebox";
import { Count, Id, Text } from "./scalars.ts";
import type { Described } from "./scalars.ts";

/** IPv4 addresses, CIDR blocks, domain names, and `*.` before a domain name. `deny` beats `allow`, and `egress` decides the rest. */
export const NetworkRules = Type.Object({
  egress: Type.Enum(["allow", "deny"]),
  allow: Type.Array(Text),
  deny: Type.Array(Text),
});
export type NetworkRules = Described<typeof NetworkRules>;

/** What happens to a capsule that has run for its maximum lifetime. */
export const LifetimeEnd = Type.Enum(["pause", "pause_disk", "destroy"]);
export type LifetimeEnd = Described<typeof LifetimeEnd>;

export const CapsuleSpec = Type.Object({
  /** Public id, `cl-…`. */
  id: Id,
  /** The team whose share of the host's connections its own count for; all capsules of a host without one share the limits of a team. */
  team: Type.Optional(Id),
  /** Name, or the key of a template that was made of a capsule. */
  template: Text,
  /** By which its users know the template, without a tag: programs inside read it. Default: `template`. */
  templateName: Type.Optional(Text),
  vcpus: Count,
  memoryMib: Count,
  diskMib: Count,
  /** Idle seconds after which the capsule is paused; 0: never. */
  timeoutSec: Count,
  /** Seconds after which it is paused whether or not it is in use, from its creation and from each resume; without it, never. */
  maxLifetimeSec: Type.Optional(Count),
  /** Default: `pause`. */
  onLifetimeEnd: Type.Optional(LifetimeEnd),
  /** What it may reach; without it the internet, and in any case nothing of the host and its networks. */
  network: Type.Optional(NetworkRules),
  /** Default environment of every process. A fork has that of its source, and a template that of the capsule that it was made of, too. */
  envs: Type.Record(Type.String(), Type.String()),
  /** Whose processes run that name no user. Inherited like `envs`. */
  user: Type.Optional(Text),
  /** Where processes start that name no directory. Inherited like `envs`. */
  cwd: Type.Optional(Text),
  /** Key of a moment that was kept: the capsule starts from it, with its template and its sizes. */
  moment: Type.Optional(Text),
});
export type CapsuleSpec = Described<typeof CapsuleSpec>;

/** Settings of a capsule that may change during its life; what is absent stays. */
export const SettingsChange = Type.Object({
  timeoutSec: Type.Optional(Count),
  /** 0: never. */
  maxLifetimeSec: Type.Optional(Count),
  onLifetimeEnd: Type.Optional(LifetimeEnd),
  network: Type.Optional(NetworkRules),
  /** What processes start with, in the place of what the spec of the capsule says; no process that runs is changed. */
  defaults: Type.Optional(Type.Pick(CapsuleSpec, ["envs", "user", "cwd"])),
  /** Seconds from now until the present run ends, whatever `maxLifetimeSec` says; null: as that says. */
  remainingSec: Type.Optional(Type.Union([Type.Number(), Type.Null()])),
});
export type SettingsChange = Described<typeof SettingsChange>;

/** Something that a capsule wanted to reach. */
export const NetworkDecision = Type.Object({
  /** `name`: asked of the resolver. `server_name`: a TLS connection to port 443. `destination`: an address and a port. */
  kind: Type.Enum(["name", "server_name", "destination"]),
  /** The name, or protocol, address and port. */
  subject: Text,
  verdict: Type.Enum(["allowed", "denied"]),
  /** The entry of the policy that decided, or what was wrong. */
  reason: Text,
  /** Times it was decided; for destinations the packets that were judged. */
  count: Count,
  /** Milliseconds since the Unix epoch, of the last time. */
  at: Type.Number(),
});
export type NetworkDecision = Described<typeof NetworkDecision>;

export const MetricRange = Type.Enum(["5m", "10m", "1h", "2h", "6h", "12h", "24h"]);
export type MetricRange = Described<typeof MetricRange>;

export const MetricPoint = Type.Object({
  /** Unix seconds. */
  timestamp: Type.Number(),
  /** Of all its virtual CPUs together, 0 to 100. */
  cpuPercent: Type.Number(),
  /** Used in the guest. */
  memoryBytes: Type.Number(),
  /** Occupied on the host by what the capsule has written. */
  diskBytes: Type.Number(),
});
export type MetricPoint = Described<typeof MetricPoint>;

/** A moment of a capsule that it can go back to. */
export const CheckpointFacts = Type.Object({
  id: Id,
  kind: Type.Enum(["pause", "checkpoint"]),
  name: Type.Optional(Text),
  /** Milliseconds since the Unix epoch. */
  createdAt: Type.Number(),
  memoryBytes: Count,
  /** It has no memory: going back to it boots its disk. */
  diskOnly: Type.Optional(Type.Literal(true)),
  /** How long the virtual CPUs were stopped, milliseconds; present only in the answer that makes it. */
  stoppedMs: Type.Optional(Type.Number()),
});
export type CheckpointFacts = Described<typeof CheckpointFacts>;

const Milliseconds = Type.Optional(Type.Number({ minimum: 0 }));

/** What the phases of an operation took on its host, in milliseconds; one that did not occur is missing. */
export const HostPhases = Type.Object({
  template: Milliseconds,
  queue: Milliseconds,
  network: Milliseconds,
  disk: Milliseconds,
  machine: Milliseconds,
  memory: Milliseconds,
  guest: Milliseconds,
});
export type HostPhases = Described<typeof HostPhases>;

/** What a full disk has none of: room for bytes, or for files. */
export const FullDisk = Type.Enum(["space", "files"]);
export type FullDisk = Described<typeof FullDisk>;

/** The kernel of a guest killed processes because its memory was full. */
export const OutOfMemory = Type.Object({
  /** Milliseconds since the Unix epoch, of the last one. Another value is another event. */
  at: Count,
  /** Processes that it has killed since the machine began. */
  kills: Count,
  /** Name of the last one. */
  process: Type.String({ maxLength: 64 }),
  pid: Count,
  /** What the last one held. */
  memoryBytes: Count,
});
export type OutOfMemory = Described<typeof OutOfMemory>;

/** A capsule as its host sees it. */
export const CapsuleStatus = Type.Object({
  id: Id,
  state: Type.Enum(["creating", "running", "pausing", "paused", "resuming", "destroying", "gone", "failed"]),
  template: Text,
  vcpus: Count,
  memoryMib: Count,
  /** Address of the capsule as the host reaches it, once it has a network slot. */
  hostAddress: Type.Optional(Type.String({ maxLength: 64 })),
  /** Milliseconds since the Unix epoch of the last byte, request or connection. */
  lastActiveAt: Type.Number(),
  /** Versions of what runs it: kernel_version, vmm, vmm_version, agent_version, envd_version. */
  metadata: Type.Record(Type.String(), Text),
  /** Why it failed, for `failed`; for `running`, why it stands still: the host's disk is full. */
  problem: Type.Optional(Text),
  /** What a pause has kept, for `paused`: its memory and its disk, or the disk alone. */
  kept: Type.Optional(Type.Enum(["memory", "disk"])),
  /**
   * For `running`, when its machine was booted from its disk: whether that was unmounted before, or had to be checked and repaired.
   */
  diskAtBoot: Type.Optional(Type.Enum(["clean", "checked"])),
  /** For `running`: whether its guest agent answers; absent while that is not known. */
  health: Type.Optional(Type.Enum(["ok", "not_answering"])),
  /** For `running`: what the disk of the guest has none of; absent while that is not known. */
  fullDisk: Type.Optional(Type.Array(FullDisk, { maxItems: 2 })),
  /** For `running`: that its memory was full, the last time. */
  outOfMemory: Type.Optional(OutOfMemory),
  /** Where the time of the operation went; present only in the answer of a create, pause, resume, restore or fork. */
  phases: Type.Optional(HostPhases),
});
export type CapsuleStatus = Described<typeof CapsuleStatus>;

export const TemplateFacts = Type.Object({
  name: Text,
  sizeBytes: Count,
  vcpus: Count,
  memoryMib: Count,
  /** Says what its capsules begin with, whatever their sizes; absent until that is known. */
  identity: Type.Optional(Text),
});
export type TemplateFacts = Described<typeof TemplateFacts>;

/** A template that is made of a capsule. */
export const SnapshotRequest = Type.Object({
  /** The caller's name for its files. */
  key: Text,
  /** No program of its disk is a user's. */
  ownPrograms: Type.Boolean(),
});
export type SnapshotRequest = Described<typeof SnapshotRequest>;

/** What one capsule occupies on its host. */
export const CapsuleStorage = Type.Object({
  id: Id,
  /** Of files that belong to it alone: its disk, saved memory, logs. */
  bytes: Count,
  /** Checkpoints that were asked for; pauses are not counted. */
  checkpoints: Count,
  /** Frozen disk layers that it needs, and may share with others. */
  layers: Type.Array(Id),
});
export type CapsuleStorage = Described<typeof CapsuleStorage>;

export const LayerStorage = Type.Object({ id: Id, bytes: Count });
export type LayerStorage = Described<typeof LayerStorage>;

/** What the capsules of a host occupy on its disk. */
export const HostStorage = Type.Object({
  capsules: Type.Array(CapsuleStorage),
  /** Each layer once, however many capsules need it. */
  layers: Type.Array(LayerStorage),
});
export type HostStorage = Described<typeof HostStorage>;

/** Machines of a host that no one uses, and the memory that only they hold. */
export const IdleMachines = Type.Object({ count: Count, memoryBytes: Count });
export type IdleMachines = Described<typeof IdleMachines>;

export const HostFacts = Type.Object({
  version: Text,
  architecture: Text,
  cpuCores: Count,
  memoryMib: Count,
  diskGb: Count,
  /** "kvm" or "tcg"; software emulation is not a security boundary by QEMU's own policy. */
  accelerator: Type.Enum(["kvm", "tcg", "none"]),
});
export type HostFacts = Described<typeof HostFacts>;
