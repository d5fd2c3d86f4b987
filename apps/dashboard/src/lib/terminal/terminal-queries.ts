import type { IDisposable, Terminal } from "@xterm/xterm";

/**
 * What programs ask a terminal for, and an emulator answers as if it were typed: device attributes, reports of status and modes,
 * sizes, colours (ECMA-48 §8.3; xterm control sequences). A replay asks again for what was answered long ago.
 */
const CONTROL_SEQUENCES = [
  { final: "c" },
  { prefix: ">", final: "c" },
  { prefix: "=", final: "c" },
  { final: "n" },
  { prefix: "?", final: "n" },
  { intermediates: "$", final: "p" },
  { prefix: "?", intermediates: "$", final: "p" },
  { prefix: ">", final: "q" },
  { prefix: "?", final: "u" },
] as const;
const DEVICE_STRINGS = [
  { intermediates: "$", final: "q" },
  { intermediates: "+", final: "q" },
] as const;
/** Colours: a question mark in the place of the colour asks for it. */
const COLOUR_COMMANDS = [4, 10, 11, 12] as const;
/** Window operations that are questions (CSI Ps t). */
const FIRST_REPORT = 11;
const LAST_REPORT = 21;

/** Leaves questions unanswered while `isSilent` says so. */
export function swallowQueries({ parser }: Terminal, isSilent: () => boolean): IDisposable {
  const handlers = [
    ...CONTROL_SEQUENCES.map((id) => parser.registerCsiHandler(id, () => isSilent())),
    ...DEVICE_STRINGS.map((id) => parser.registerDcsHandler(id, () => isSilent())),
    ...COLOUR_COMMANDS.map((command) =>
      parser.registerOscHandler(command, (text) => isSilent() && /(?:^|;)\?/.test(text)),
    ),
    parser.registerCsiHandler({ final: "t" }, ([operation]) => {
      const asked = typeof operation === "number" ? operation : 0;
      return isSilent() && asked >= FIRST_REPORT && asked <= LAST_REPORT;
    }),
  ];
  return {
    dispose: () => {
      for (const handler of handlers) handler.dispose();
    },
  };
}
