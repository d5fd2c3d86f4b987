import { Type } from "typebox";
import * as given from "./arguments.ts";

const { Id, Text, FileOptionsShape } = given;

/** Arguments of the methods whose answer is a stream of frames. */
export const streams = {
  output: Type.Tuple([Id, given.HandleShape, given.FromShape]),
  read: Type.Tuple([Id, Text, FileOptionsShape]),
  archive: Type.Tuple([Id, Text, FileOptionsShape]),
  watch: Type.Tuple([Id, Text, FileOptionsShape]),
  changes: Type.Tuple([]),
} as const;

/** Begins the body of an upload; the content follows as payloads. */
export const UploadShape = Type.Tuple([Id, Text, FileOptionsShape]);

/** Sent in quiet times, so that either side notices when the other is gone. */
export const BEAT_MS = 10_000;
/** After so much silence the other side is taken for gone. */
export const SILENCE_MS = 30_000;

/** What a frame of a stream can be beside a piece of it. */
export const Beat = Type.Object({ beat: Type.Literal(true) });
export const End = Type.Object({ end: Type.Literal(true) });
export const Failure = Type.Object({ error: Type.Unknown() });
export const Piece = Type.Object({ value: Type.Unknown() });
