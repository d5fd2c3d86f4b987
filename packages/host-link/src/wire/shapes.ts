import { Type } from "typebox";

/* What host agents say, as the interface in @wrenn/protocol describes it. */

const Id = Type.String({ maxLength: 64 });
const Text = Type.String({ maxLength: 65_536 });
const Count = Type.Integer({ minimum: 0 });

export const CapsuleStatusShape = Type.Object({
  id: Id,
  state: Type.Enum(["creating", "running", "pausing", "paused", "resuming", "destroying", "gone", "failed"]),
  template: Text,
  vcpus: Count,
  memoryMib: Count,
  hostAddress: Type.Optional(Type.String({ maxLength: 64 })),
  lastActiveAt: Type.Number(),
  metadata: Type.Record(Type.String(), Text),
  problem: Type.Optional(Text),
});

export const CheckpointShape = Type.Object({
  id: Id,
  kind: Type.Union([Type.Literal("pause"), Type.Literal("checkpoint")]),
  name: Type.Optional(Text),
  createdAt: Type.Number(),
  memoryBytes: Count,
  stoppedMs: Type.Optional(Type.Number()),
});

export const TemplateShape = Type.Object({ name: Text, sizeBytes: Count, vcpus: Count, memoryMib: Count });

export const HostFactsShape = Type.Object({
  version: Text,
  architecture: Text,
  cpuCores: Count,
  memoryMib: Count,
  diskGb: Count,
  accelerator: Type.Union([Type.Literal("kvm"), Type.Literal("tcg"), Type.Literal("none")]),
});

export const DecisionShape = Type.Object({
  kind: Type.Union([Type.Literal("name"), Type.Literal("server_name"), Type.Literal("destination")]),
  subject: Text,
  verdict: Type.Union([Type.Literal("allowed"), Type.Literal("denied")]),
  reason: Text,
  count: Count,
  at: Type.Number(),
});

export const MetricShape = Type.Object({
  timestamp: Type.Number(),
  cpuPercent: Type.Number(),
  memoryBytes: Type.Number(),
  diskBytes: Type.Number(),
});

export const ExitShape = Type.Object({ exitCode: Type.Integer(), signal: Type.Optional(Count) });

export const ProcessShape = Type.Object({
  pid: Count,
  tag: Type.Optional(Text),
  cmd: Text,
  args: Type.Array(Type.String()),
  terminal: Type.Boolean(),
  startedAt: Type.Number(),
  exit: Type.Optional(ExitShape),
});

const Bytes = Type.Unsafe<Uint8Array>({});
const Held = Type.Object({ offset: Count, bytes: Bytes });
export const HeldShape = Type.Object({ stdout: Held, stderr: Held });

const types = ["file", "directory", "symlink", "character-device", "block-device", "fifo", "socket"] as const;
const FileTypeShape = Type.Enum(types);
export const FileEntryShape = Type.Object({
  name: Text,
  path: Text,
  type: FileTypeShape,
  mode: Count,
  owner: Text,
  group: Text,
  uid: Count,
  gid: Count,
  size: Count,
  modifiedNs: Type.BigInt(),
  inode: Type.BigInt(),
  symlinkTarget: Type.Optional(Text),
  targetType: Type.Optional(FileTypeShape),
});

const changes = ["create", "write", "remove", "rename", "chmod"] as const;
export const FileChangeShape = Type.Union([
  Type.Object({
    type: Type.Enum(changes),
    offset: Count,
    path: Text,
    directory: Type.Boolean(),
    oldPath: Type.Optional(Text),
  }),
  Type.Object({ type: Type.Literal("overflow"), offset: Count }),
]);

const Stream = Type.Union([Type.Literal("stdout"), Type.Literal("stderr")]);
/** The bytes of `data` are the frame's payload. */
export const OutputShape = Type.Union([
  Type.Object({ type: Type.Literal("data"), stream: Stream, offset: Count }),
  Type.Object({ type: Type.Literal("dropped"), stream: Stream, from: Count, to: Count }),
  Type.Object({ type: Type.Literal("resized"), cols: Count, rows: Count }),
  Type.Object({ type: Type.Literal("exit"), exit: ExitShape }),
]);
