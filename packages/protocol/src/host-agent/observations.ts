import { Type } from "typebox";
import { MetricPoint } from "./facts.ts";
import { Bytes, Count, Id } from "./scalars.ts";
import type { Described } from "./scalars.ts";

/** One second of a capsule, or the mean of several. */
export const Measurement = Type.Object({
  ...MetricPoint.properties,
  cpuCount: Count,
  memoryTotalBytes: Count,
  /** The guest's page cache, with the files of its tmpfs; absent where it was not measured. */
  memoryCachedBytes: Type.Optional(Count),
  /** Of the capsule's root file system, as the guest sees it. */
  diskUsedBytes: Count,
  diskTotalBytes: Count,
  /** Received and sent by the capsule since the measurement before. */
  networkInBytes: Count,
  networkOutBytes: Count,
});
export type Measurement = Described<typeof Measurement>;

export const MeasurementQuery = Type.Object({
  /** Unix seconds: only what is newer. */
  after: Type.Number(),
  /** Seconds that each measurement stands for; finer than what is kept is as fine as that. */
  step: Type.Integer({ minimum: 1, maximum: 3600 }),
  /** The caller will ask again soon: the capsule is measured each second until it no longer does. */
  watch: Type.Boolean(),
});
export type MeasurementQuery = Described<typeof MeasurementQuery>;

/** A socket of a capsule that waits for connections or datagrams. */
export const ListeningPort = Type.Object({
  protocol: Type.Enum(["tcp", "udp"]),
  /** The address it is bound to; `0.0.0.0` and `::` are all. */
  address: Type.String({ maxLength: 64 }),
  port: Type.Integer({ minimum: 0, maximum: 65_535 }),
  uid: Count,
  /** One of the processes that hold it; absent where it is not known. */
  pid: Type.Optional(Count),
  process: Type.Optional(Type.String({ maxLength: 64 })),
});
export type ListeningPort = Described<typeof ListeningPort>;

/** What listens in a capsule, in the order of protocol, port and address. */
export const ListeningPorts = Type.Object({
  id: Id,
  ports: Type.Array(ListeningPort, { maxItems: 256 }),
  /** How many are not listed: 256 are at most. */
  unlisted: Count,
  /** Milliseconds since the Unix epoch when its host looked. */
  at: Type.Number(),
});
export type ListeningPorts = Described<typeof ListeningPorts>;

/** A piece of what a capsule wrote to its console. */
export const ConsolePiece = Type.Object({
  /** Milliseconds since the Unix epoch when its host read it. */
  at: Type.Number(),
  /** Of its first byte, among all that the host has read of this capsule's console. */
  offset: Count,
  bytes: Bytes,
  /** Bytes before it were lost: the capsule wrote faster than its host read. */
  gap: Type.Boolean(),
});
export type ConsolePiece = Described<typeof ConsolePiece>;

export const ConsoleLog = Type.Object({
  pieces: Type.Array(ConsolePiece),
  /** Where to read on. */
  next: Count,
});
export type ConsoleLog = Described<typeof ConsoleLog>;
