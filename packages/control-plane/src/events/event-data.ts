import { Type } from "typebox";

export const Problem = Type.Optional(Type.String({ description: "What went wrong", maxLength: 500 }));

export const CapsuleState = Type.Object({
  status: Type.String({ description: "State that the capsule is in now" }),
  previous: Type.String({ description: "State that it was in before" }),
  reason: Type.Enum(
    [
      "requested",
      "idle",
      "lifetime",
      "expired",
      "failed",
      "host_unreachable",
      "host_returned",
      "host_reported",
    ],
    {
      description:
        "`requested`: by `actor`. `idle`: `timeout_sec` passed. `lifetime`: `max_lifetime_sec` passed. `expired`: a rule of retention. `failed`: see `problem`. `host_unreachable`, `host_returned`: its host. `host_reported`: its host says so and gives no reason.",
    },
  ),
  operation: Type.Optional(
    Type.String({ description: "The operation under way, such as `create`, `resume` or `fork`" }),
  ),
  problem: Problem,
  phases: Type.Optional(
    Type.Record(Type.String(), Type.Number(), {
      description: "Where the time of the operation went, in milliseconds: docs/reference/server-timing.md",
    }),
  ),
  memory_kept: Type.Optional(
    Type.Boolean({ description: "Of a paused capsule: whether a resume goes on with its memory" }),
  ),
  disk_at_boot: Type.Optional(
    Type.String({
      description: "Of a capsule that was booted from its disk: clean, or checked and repaired",
    }),
  ),
});
export const NoData = Type.Object({});
export const OutOfMemory = Type.Object({
  process: Type.String({
    description: "Name of the process that was killed last, as the guest says",
    maxLength: 64,
  }),
  pid: Type.Integer({ description: "Its number in the guest" }),
  memory_bytes: Type.Integer({ description: "Memory that it held" }),
  killed: Type.Integer({ description: "Processes that were killed since the event before" }),
  at: Type.String({ description: "When the last one was killed" }),
});
export const DiskResource = Type.Object({
  resource: Type.Enum(["space", "files"], {
    description: "`space`: bytes. `files`: files and directories, whatever their size (inodes).",
  }),
});
export const HostState = Type.Object({ status: Type.String() });
export const Role = Type.Enum(["owner", "admin", "member"]);
export const Name = Type.String();
export const CreatedBy = Type.Optional(Type.String({ description: "Id of the person who created the key" }));
export const LinkOfPort = Type.Object({
  link: Type.String({ description: "Id of the link; its address is not told" }),
});
export const Checkpoint = Type.Object({ name: Type.Optional(Type.String()) });
export const Process = {
  pid: Type.Integer(),
  tag: Type.Optional(Type.String()),
  cmd: Type.String({ description: "The program, without arguments", maxLength: 200 }),
};
export const Build = Type.Object({ name: Type.String(), tag: Type.String(), problem: Problem });
