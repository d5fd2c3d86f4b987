import { WrennError } from "@wrenn/core";
import { pageSize } from "../page.ts";
import type { PageRange } from "./served-ranges.ts";

/* The frames of native/page-server/src/protocol.h, which says what each means. The program's are hostile. */

/** Pages that are asked for at once. */
export const blockPages = 64;
/** Requests that the program may have without an answer. */
export const maxInFlight = 32;
/** Numbers of faulted pages that a report holds. */
export const maxRecorded = 1 << 18;
/** Runs of pages that the set-up may have. */
export const maxRuns = 1 << 20;

const to = { setUp: 1, extents: 2, workingSet: 3, provide: 4, fill: 5, report: 6 } as const;
const from = { request: 1, report: 2, ended: 3 } as const;
const outcomes = ["gone", "complete", "failed"] as const;

const headSize = 8;
const requestSize = 16;
const reportHead = 56;
const endedHead = 8;
const maxText = 200;
const extentBytes = 40;
const runBytes = 8;
const payloadBytes = blockPages * pageSize;

/** What a page server has done so far. */
export interface PageServerReport {
  readonly faults: number;
  /** Pages filled with stored bytes. */
  readonly pages: number;
  readonly zeroPages: number;
  readonly removes: number;
  readonly otherEvents: number;
  /** Blocks asked of the remote source. */
  readonly requests: number;
  /** Numbers of the pages that faulted, in order: what a later resume should prefetch. */
  readonly workingSet: Uint32Array;
}

/** What the program says. */
export type PageServerMessage =
  | { readonly kind: "request"; readonly offset: number; readonly length: number }
  | { readonly kind: "report"; readonly report: PageServerReport }
  | {
      readonly kind: "ended";
      readonly outcome: (typeof outcomes)[number];
      readonly report: PageServerReport;
      readonly text: string;
    };

export interface SetUp {
  readonly faultAround: number;
  readonly handshakeMs: number;
  readonly files: number;
  /** Five numbers per extent (extentTable). */
  readonly extents: BigUint64Array;
  readonly workingSet: readonly PageRange[];
}

/** The frames that a program begins with. */
export function encodeSetUp({ faultAround, handshakeMs, files, extents, workingSet }: SetUp): Buffer {
  const table = Buffer.from(extents.buffer, extents.byteOffset, extents.byteLength);
  const runs = encodeRuns(workingSet);
  const numbers = [faultAround, handshakeMs, files, table.length / extentBytes, runs.length / runBytes, 0];
  return Buffer.concat([
    frame(to.setUp, Buffer.from(Uint32Array.from(numbers).buffer)),
    ...pieces(table, extentBytes).map((piece) => frame(to.extents, piece)),
    ...pieces(runs, runBytes).map((piece) => frame(to.workingSet, piece)),
  ]);
}

export function encodeProvide(offset: number, bytes: Uint8Array): readonly Uint8Array[] {
  const head = Buffer.alloc(headSize + 8);
  head.writeUInt32LE(to.provide, 0);
  head.writeUInt32LE(8 + bytes.length, 4);
  head.writeBigUInt64LE(BigInt(offset), headSize);
  return [head, bytes];
}

/** @throws RangeError for more runs than one frame has room for. */
export function encodeFill(pages: readonly PageRange[]): Buffer {
  const runs = encodeRuns(pages);
  if (runs.length > payloadBytes) throw new RangeError("too many runs to fill");
  return frame(to.fill, runs);
}

export function encodeReport(): Buffer {
  return frame(to.report, Buffer.alloc(0));
}

/** Takes the program's bytes apart. What one frame needs is all that it keeps. */
export class PageServerMessages {
  #pieces: Buffer[] = [];
  #length = 0;
  #wanted = headSize;

  /** The messages that are whole with `piece`. @throws WrennError `page_server_failed` for what no program of ours sends. */
  *push(piece: Buffer): Generator<PageServerMessage> {
    this.#pieces.push(piece);
    this.#length += piece.length;
    while (this.#length >= this.#wanted) {
      const [first, ...more] = this.#pieces;
      const bytes = first !== undefined && more.length === 0 ? first : Buffer.concat(this.#pieces);
      const type = bytes.readUInt32LE(0);
      const end = headSize + checkedLength(type, bytes.readUInt32LE(4));
      this.#pieces = [bytes];
      this.#wanted = end;
      if (bytes.length < end) continue;
      const rest = bytes.subarray(end);
      this.#pieces = rest.length > 0 ? [rest] : [];
      this.#length = rest.length;
      this.#wanted = headSize;
      yield decode(type, bytes.subarray(headSize, end));
    }
  }
}

/** Pages in the order in which they are listed, neighbours as one run. */
export function runsOf(pages: Uint32Array): PageRange[] {
  const runs: { first: number; count: number }[] = [];
  for (const page of pages) {
    const last = runs.at(-1);
    if (last !== undefined && page === last.first + last.count) last.count += 1;
    else if (runs.length < maxRuns) runs.push({ first: page, count: 1 });
    else break;
  }
  return runs;
}

function frame(type: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(headSize);
  head.writeUInt32LE(type, 0);
  head.writeUInt32LE(payload.length, 4);
  return Buffer.concat([head, payload]);
}

/** Parts that each fit a frame and hold whole items. */
function pieces(bytes: Buffer, itemBytes: number): Buffer[] {
  const step = Math.floor(payloadBytes / itemBytes) * itemBytes;
  return Array.from({ length: Math.ceil(bytes.length / step) }, (_, index) =>
    bytes.subarray(index * step, (index + 1) * step),
  );
}

function encodeRuns(pages: readonly PageRange[]): Buffer {
  return Buffer.from(Uint32Array.from(pages.flatMap(({ first, count }) => [first, count])).buffer);
}

function wrong(problem: string): WrennError<"page_server_failed"> {
  return new WrennError("page_server_failed", { problem: `the page server sent ${problem}` });
}

function checkedLength(type: number, length: number): number {
  const [least, most] =
    type === from.request
      ? [requestSize, requestSize]
      : type === from.report
        ? [reportHead, reportHead + maxRecorded * 4]
        : type === from.ended
          ? [endedHead + reportHead, endedHead + reportHead + maxRecorded * 4 + maxText]
          : [0, -1];
  if (length < least || length > most) throw wrong("a frame of no known kind");
  return length;
}

function decode(type: number, payload: Buffer): PageServerMessage {
  if (type === from.request) {
    if (payload.readUInt32LE(12) !== 0) throw wrong("a wrong request");
    return { kind: "request", offset: safe(payload, 0), length: payload.readUInt32LE(8) };
  }
  if (type === from.report) return { kind: "report", report: decodeReport(payload) };
  const outcome = outcomes[payload.readUInt32LE(0)];
  const textAt = payload.length - payload.readUInt32LE(4);
  if (outcome === undefined || payload.length - textAt > maxText || textAt < endedHead + reportHead)
    throw wrong("a wrong end");
  // What it says is shown to people.
  const text = payload.toString("latin1", textAt).replaceAll(/[^ -~]/g, "?");
  return { kind: "ended", outcome, report: decodeReport(payload.subarray(endedHead, textAt)), text };
}

function decodeReport(payload: Buffer): PageServerReport {
  const recorded = payload.readUInt32LE(48);
  if (payload.length !== reportHead + recorded * 4 || payload.readUInt32LE(52) !== 0)
    throw wrong("a wrong report");
  return {
    faults: safe(payload, 0),
    pages: safe(payload, 8),
    zeroPages: safe(payload, 16),
    removes: safe(payload, 24),
    otherEvents: safe(payload, 32),
    requests: safe(payload, 40),
    workingSet: Uint32Array.from({ length: recorded }, (_, at) => payload.readUInt32LE(reportHead + at * 4)),
  };
}

function safe(payload: Buffer, at: number): number {
  const value = payload.readBigUInt64LE(at);
  if (value > Number.MAX_SAFE_INTEGER) throw wrong("an absurd number");
  return Number(value);
}
