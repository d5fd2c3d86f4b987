import type { CallName } from "./calls.ts";
import type { JsonBounds } from "./measured-json.ts";
import { smallValue } from "./values.ts";

/** Bounds of an answer as it crosses the link. */
export interface AnswerBounds extends JsonBounds {
  readonly bytes: number;
}

/** For answers about one thing, or a few. */
const SMALL: AnswerBounds = { bytes: 1 << 20, ...smallValue };
/** For lists of everything on a host, of processes with their arguments, of measurements of a day. */
const LIST: AnswerBounds = { bytes: 16 << 20, values: 600_000, depth: 16 };
/** Two logs of 1 MiB, in base64. */
const OUTPUT: AnswerBounds = { bytes: 4 << 20, ...smallValue };
/** What is kept of a console, in base64: 256 KiB in 2,000 pieces. */
const CONSOLE: AnswerBounds = { bytes: 2 << 20, values: 20_000, depth: 16 };
/** 256 ports with addresses and names. */
const PORTS: AnswerBounds = { bytes: 1 << 20, values: 20_000, depth: 16 };
/** 100,000 entries with long paths. */
const FILES: AnswerBounds = { bytes: 64 << 20, values: 2_500_000, depth: 16 };
/** 10,000 of them. */
const FILE_PAGE: AnswerBounds = { bytes: 64 << 20, values: 250_000, depth: 16 };
/** Settings of an image: its configuration has at most 4 MiB. */
const IMAGE: AnswerBounds = { bytes: 8 << 20, values: 50_000, depth: 16 };
/** 4000 capsules with 128 disk layers each. */
const LAYERS: AnswerBounds = { bytes: 64 << 20, values: 2_500_000, depth: 16 };

const longAnswers: Partial<Readonly<Record<CallName, AnswerBounds>>> = {
  listCapsules: LIST,
  listCheckpoints: LIST,
  forkCapsule: LIST,
  forkEach: LIST,
  networkDecisions: LIST,
  metrics: LIST,
  measurements: LIST,
  consoleLog: CONSOLE,
  listeners: PORTS,
  storage: LAYERS,
  listTemplates: LIST,
  cachedMoments: LIST,
  importImage: IMAGE,
  "process.start": LIST,
  "process.find": LIST,
  "process.list": LIST,
  "process.recent": LIST,
  "process.held": OUTPUT,
  "file.list": FILES,
  "file.listPage": FILE_PAGE,
  "file.attributes": LIST,
};

/** What the answer of a call may be at most. */
export function boundsOf(name: CallName): AnswerBounds {
  return longAnswers[name] ?? SMALL;
}

/** Of an answer without a value, of an error, and of what ends an upload. */
export const plainBounds = SMALL;
