import { ByteRange, Count, Text, WriteOptions } from "@wrenn/protocol";
import { Type } from "typebox";

/** A pid may be used again; with its start it names one process. */
export const ProcessHandle = Type.Object({ pid: Count, startedAt: Type.Number() });

/** Options of the methods for files, without the signal; each method has some of them. */
export const FileArguments = Type.Object({
  user: Type.Optional(Text),
  follow: Type.Optional(Type.Boolean()),
  recursive: Type.Optional(Type.Boolean()),
  overwrite: Type.Optional(Type.Boolean()),
  range: Type.Optional(ByteRange),
  ...WriteOptions.properties,
});
