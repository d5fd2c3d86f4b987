import type { QmpCommands, RunState } from "./qmp-commands.ts";
import { isRecord, QmpViolation } from "./qmp-message.ts";

/** Block devices of a machine of ours: one disk, and room for what a later version of QEMU lists. */
const MOST_DEVICES = 64;
/** Longest name of an image: with many layers it describes each of them. */
const LONGEST_FILE = 256 << 10;
const LONGEST_TEXT = 1024;
const LONGEST_PATH = 4096;
/** Sets of descriptors, and descriptors of one: a disk has one set, which has two. */
const MOST_SETS = 256;
const MOST_DESCRIPTORS = 16;
const WORD = /^[a-z][a-z0-9-]{0,63}$/;

type IoStatus = "ok" | "failed" | "nospace";
type Readers = { readonly [C in keyof QmpCommands]: (value: unknown) => QmpCommands[C]["return"] };

/**
 * Checks of QEMU's answers: of each command, the fields that the driver uses. Further fields are ignored, because later versions
 * of QEMU add some.
 */
const readers: Readers = {
  qmp_capabilities: readNothing,
  stop: readNothing,
  cont: readNothing,
  quit: readNothing,
  "query-version": (value) => {
    const { qemu, package: vendor } = readRecord(value);
    const version = readRecord(qemu);
    const [major, minor, micro] = ["major", "minor", "micro"].map((name) => readNumber(version[name]));
    return { qemu: { major: major ?? 0, minor: minor ?? 0, micro: micro ?? 0 }, package: readText(vendor) };
  },
  "query-status": (value) => {
    return { status: readWord(readRecord(value)["status"]) as RunState };
  },
  "query-block": (value) => {
    if (!Array.isArray(value) || value.length > MOST_DEVICES) throw unexpected("a list of devices");
    return value.map(readDevice);
  },
  "query-migrate": (value) => {
    const answer = readRecord(value);
    const [status, problem] = [answer["status"], answer["error-desc"]];
    return {
      ...(status === undefined ? {} : { status: readWord(status) }),
      ...(problem === undefined ? {} : { "error-desc": readText(problem) }),
    };
  },
  "migrate-set-capabilities": readNothing,
  "migrate-set-parameters": readNothing,
  migrate: readNothing,
  "migrate-incoming": readNothing,
  block_resize: readNothing,
  getfd: readNothing,
  "add-fd": (value) => ({ "fdset-id": readNumber(readRecord(value)["fdset-id"]) }),
  "remove-fd": readNothing,
  "query-fdsets": (value) => {
    if (!Array.isArray(value) || value.length > MOST_SETS) throw unexpected("a list of sets");
    return value.map(readSet);
  },
  "blockdev-add": readNothing,
  "blockdev-del": readNothing,
  "blockdev-snapshot": readNothing,
};

/**
 * The answer to a command, when it has the form that QEMU's documentation gives it.
 *
 * @throws QmpViolation for any other.
 */
export function readAnswer<C extends keyof QmpCommands>(
  command: C,
  value: unknown,
): QmpCommands[C]["return"] {
  try {
    return readers[command](value);
  } catch (error) {
    if (!(error instanceof QmpViolation)) throw error;
    throw new QmpViolation(`its answer to ${command} lacks ${error.message}`, { cause: error });
  }
}

function readDevice(value: unknown): QmpCommands["query-block"]["return"][number] {
  const answer = readRecord(value);
  const { device, inserted } = answer;
  const ioStatus = answer["io-status"];
  return {
    device: readText(device),
    ...(ioStatus === undefined ? {} : { "io-status": readWord(ioStatus) as IoStatus }),
    ...(inserted === undefined
      ? {}
      : { inserted: { file: readText(readRecord(inserted)["file"], LONGEST_FILE) } }),
  };
}

function readSet(value: unknown): QmpCommands["query-fdsets"]["return"][number] {
  const answer = readRecord(value);
  const { fds } = answer;
  if (!Array.isArray(fds) || fds.length > MOST_DESCRIPTORS) throw unexpected("a list of descriptors");
  return {
    "fdset-id": readNumber(answer["fdset-id"]),
    fds: fds.map((fd: unknown) => {
      const { opaque } = readRecord(fd);
      return opaque === undefined ? {} : { opaque: readText(opaque, LONGEST_PATH) };
    }),
  };
}

function readNothing(value: unknown): object {
  return readRecord(value);
}

function readRecord(value: unknown): Readonly<Record<string, unknown>> {
  if (!isRecord(value)) throw unexpected("an object");
  return value;
}

function readNumber(value: unknown): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) throw unexpected("a number");
  return value;
}

function readText(value: unknown, limit = LONGEST_TEXT): string {
  if (typeof value !== "string" || value.length > limit)
    throw unexpected(`a text of at most ${limit} characters`);
  return value;
}

/** A word of QEMU's lists. One that is in no list of ours comes from a later version. */
function readWord(value: unknown): string {
  if (typeof value !== "string" || !WORD.test(value)) throw unexpected("a word");
  return value;
}

function unexpected(what: string): QmpViolation {
  return new QmpViolation(what);
}
