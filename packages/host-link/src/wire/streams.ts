import {
  AppendOptions,
  Count,
  FileEntry,
  Id,
  OutputData,
  OutputMark,
  OutputStart,
  TemplatePartRange,
  Text,
} from "@wrenn/protocol";
import { Type } from "typebox";
import { FileArguments, ProcessHandle } from "./calls.ts";

/** Arguments of the methods whose answer is a stream of frames. */
export const streams = {
  output: Type.Tuple([Id, ProcessHandle, OutputStart]),
  read: Type.Tuple([Id, Text, FileArguments]),
  archive: Type.Tuple([Id, Text, FileArguments]),
  watch: Type.Tuple([Id, Text, FileArguments]),
  "template-part": Type.Tuple([TemplatePartRange]),
  changes: Type.Tuple([]),
  listeners: Type.Tuple([]),
} as const;

/** Begins the answer to `read`; the bytes follow as payloads. */
export const OpenedFile = Type.Object({ entry: FileEntry, size: Type.Optional(Count) });

/** An event of a process's output. The bytes of `data` are the frame's payload. */
export const OutputHeader = Type.Union([Type.Omit(OutputData, ["bytes"]), OutputMark]);

/** Begins the body of an upload; the content follows as payloads. */
export const UploadArguments = Type.Tuple([Id, Text, FileArguments]);

/** The same of an archive of images. */
export const ImageArguments = Type.Tuple([Id]);

/** The same of an upload that is continued; and its answer. */
export const AppendArguments = Type.Tuple([Id, Id, Count, AppendOptions]);
export const Appended = Type.Object({
  offset: Count,
  expiresInMs: Count,
  entry: Type.Optional(FileEntry),
});

/** The same of a part of a template that is copied. */
export const PartArguments = Type.Tuple([TemplatePartRange]);

/** Begins the body of an input stream; items follow. */
export const InputArguments = Type.Tuple([Id, ProcessHandle]);

/**
 * A piece of input, whose bytes are the payload and whose place in the whole input may be given, or the end of the input. Items are numbered from 1 without gaps. `cancel` names an
 * earlier item: what the guest has not taken of it is taken back.
 */
export const InputItem = Type.Union([
  Type.Object({ write: Count, offset: Type.Optional(Count) }, { additionalProperties: false }),
  Type.Object({ close: Count }, { additionalProperties: false }),
  Type.Object({ cancel: Count }, { additionalProperties: false }),
]);

/** The answer to the item of that number: the guest has taken it, or only as much as the error says. */
export const InputTaken = Type.Object({ taken: Count, error: Type.Optional(Type.Unknown()) });

/**
 * Input without an answer that may be under way: a client sends no more, so that a `cancel` never waits behind input, and a host
 * reads no more.
 */
export const INPUT_WINDOW = 1 << 20;

/** What an item counts for in {@link INPUT_WINDOW}: empty items are bounded, too. */
export function inputCost(payload: number): number {
  return payload + 64;
}

/** Sent in quiet times, so that either side notices when the other is gone. */
export const BEAT_MS = 10_000;
/** After so much silence the other side is taken for gone. */
export const SILENCE_MS = 30_000;

/** What a frame of a stream can be beside a piece of it. */
export const Beat = Type.Object({ beat: Type.Literal(true) });
export const End = Type.Object({ end: Type.Literal(true) });
export const Failure = Type.Object({ error: Type.Unknown() });
export const Piece = Type.Object({ value: Type.Unknown() });

/** What a connection is upgraded to when it becomes one to a port of a capsule. */
export const DIAL_PROTOCOL = "wrenn-dial";
