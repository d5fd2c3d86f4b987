import { Type } from "typebox";

/* What control planes ask for, as the interface in @wrenn/protocol describes it. */

export const Id = Type.String({ minLength: 1, maxLength: 64 });
export const Text = Type.String({ maxLength: 65_536 });
export const Count = Type.Integer({ minimum: 0 });
export const Bytes = Type.Refine(Type.Unsafe<Uint8Array>({}), (value) => value instanceof Uint8Array);

export const NetworkShape = Type.Object({
  egress: Type.Union([Type.Literal("allow"), Type.Literal("deny")]),
  allow: Type.Array(Text),
  deny: Type.Array(Text),
});

export const SpecShape = Type.Object({
  id: Id,
  template: Text,
  vcpus: Count,
  memoryMib: Count,
  diskMib: Count,
  timeoutSec: Count,
  maxLifetimeSec: Type.Optional(Count),
  network: Type.Optional(NetworkShape),
  envs: Type.Record(Type.String(), Type.String()),
});

const ranges = ["5m", "10m", "1h", "2h", "6h", "12h", "24h"] as const;
export const RangeShape = Type.Enum(ranges);

const resources = [
  "cpuSeconds",
  "fileBytes",
  "dataBytes",
  "stackBytes",
  "coreBytes",
  "processes",
  "openFiles",
  "lockedBytes",
  "addressSpaceBytes",
] as const;
/** Infinity is a limit, too. */
const Bound = Type.Refine(Type.Unsafe<number>({}), (value) => typeof value === "number" && value >= 0);
const LimitShape = Type.Object({ soft: Bound, hard: Bound });

export const StartShape = Type.Object({
  cmd: Type.String(),
  args: Type.Array(Type.String()),
  envs: Type.Record(Type.String(), Type.String()),
  cwd: Type.Optional(Text),
  user: Type.Optional(Text),
  tag: Type.Optional(Text),
  terminal: Type.Optional(Type.Object({ cols: Count, rows: Count })),
  stdin: Type.Boolean(),
  output: Type.Union([Type.Literal("attached"), Type.Literal("detached")]),
  limits: Type.Optional(
    Type.Partial(
      Type.Object(
        Object.fromEntries(resources.map((name) => [name, LimitShape])) as Record<
          (typeof resources)[number],
          typeof LimitShape
        >,
      ),
    ),
  ),
});

/** A pid may be used again; with its start it names one process. */
export const HandleShape = Type.Object({ pid: Count, startedAt: Type.Number() });

export const OffsetsShape = Type.Object({ stdout: Count, stderr: Count });
export const FromShape = Type.Union([Type.Literal("oldest"), Type.Literal("now"), OffsetsShape]);

export const FileOptionsShape = Type.Object({
  user: Type.Optional(Text),
  follow: Type.Optional(Type.Boolean()),
  recursive: Type.Optional(Type.Boolean()),
  overwrite: Type.Optional(Type.Boolean()),
  mode: Type.Optional(Count),
  exclusive: Type.Optional(Type.Boolean()),
  range: Type.Optional(Type.Object({ start: Count, end: Type.Optional(Count) })),
});
