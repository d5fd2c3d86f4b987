import { setTimeout } from "node:timers/promises";
import { withCapsule } from "../capsule.ts";
import { createAdministrator } from "../dashboard/administrator.ts";
import { browserMissing, withBrowser } from "../dashboard/browser.ts";
import { builtDashboardOf } from "../dashboard/built-dashboard.ts";
import { TerminalPage } from "../dashboard/terminal-page.ts";
import type { TerminalKey } from "../dashboard/terminal-page.ts";
import {
  answerTo,
  END_OF_FLOOD,
  FLOOD_LINE,
  floodedBytes,
  MAKE_FLOOD,
  START_FLOOD,
} from "../dashboard/flooded-terminal.ts";
import { startOwnServer } from "../own-server.ts";
import type { OwnServer } from "../own-server.ts";
import type { Row } from "../row.ts";

const KEYS = 40;
/** Of them, the first ones, which load code and fonts. */
const WARM_UP_KEYS = 10;
/** Between two keys at least: a person types, and all is idle again. */
const PAUSE_MS = 60;
/** Of the modifiers of the DevTools protocol. */
const CTRL = 2;
const LETTER = {
  key: "q",
  code: "KeyQ",
  text: "q",
  windowsVirtualKeyCode: 81,
} as const satisfies TerminalKey;
const ENTER: TerminalKey = { key: "Enter", code: "Enter", text: "\r", windowsVirtualKeyCode: 13 };
const CTRL_C: TerminalKey = { key: "c", code: "KeyC", windowsVirtualKeyCode: 67, modifiers: CTRL };

/** A row of a capsule's terminal in the dashboard; each sample has its own browser. */
function terminalRow(
  facts: Omit<Row, "prepare" | "missing">,
  begin: (server: OwnServer, capsule: string) => Promise<void>,
  sample: (terminal: TerminalPage) => Promise<number | readonly number[]>,
): Row {
  return {
    ...facts,
    missing: browserMissing,
    prepare: async ({ signal, apiOf }) => {
      await builtDashboardOf(signal);
      const own = await startOwnServer({}, signal, apiOf);
      try {
        const { url, firstAdminToken } = own.server;
        const administrator = await createAdministrator(url, firstAdminToken);
        const { id } = await withCapsule(own);
        await begin(own, id);
        return {
          sample: async () =>
            await withBrowser(signal, async (browser) =>
              sample(await TerminalPage.open(browser, url, administrator, id)),
            ),
          dispose: async () => await own.close(),
        };
      } catch (error) {
        await own.close();
        throw error;
      }
    },
  };
}

/** Executes a script in a capsule that makes the file a row needs. */
async function makeFile({ api }: OwnServer, capsule: string, script: string): Promise<void> {
  const { exit_code: code } = await api<{ exit_code: number }>("POST", `/v1/capsules/${capsule}/exec`, {
    cmd: "sh",
    args: ["-c", script],
    timeout_sec: 300,
  });
  if (code !== 0) throw new Error(`the file was not made: exit code ${code}`);
}

/** At the prompt of an idle shell, drawn by elements. */
export const dashboardEcho: Row = terminalRow(
  { name: "dashboard: key pressed to echo painted", unit: "ms", asked: { p50: 25, better: "lower" } },
  async () => {},
  async (terminal) => {
    const times: number[] = [];
    let line = ":";
    await terminal.type(line);
    for (let n = 0; n < KEYS; n++) {
      line += LETTER.text;
      const ms = await terminal.painted(LETTER, line);
      if (n >= WARM_UP_KEYS) times.push(ms);
      // At another time of a frame than the key before.
      await setTimeout(PAUSE_MS + ((n * 7) % 17));
    }
    await terminal.end();
    return times;
  },
);

const LAST_LINE = "the-last-of-all-lines";
/** 10 MB in lines of 76 characters, as tools print them. */
const MAKE_FILE = `base64 -w 76 /dev/urandom | head -c 9999980; printf '\\n%s\\n' ${LAST_LINE}`;

export const dashboardOutput: Row = terminalRow(
  { name: "dashboard: 10 MB of output painted", unit: "ms", asked: { p50: 2000, better: "lower" } },
  async (server, id) => await makeFile(server, id, `{ ${MAKE_FILE}; } > /root/lines`),
  async (terminal) => {
    await terminal.type("cat /root/lines");
    const ms = await terminal.painted(ENTER, LAST_LINE);
    await terminal.end();
    return ms;
  },
);

const FLOOD_KEYS = 20;
/** Of them, the first ones: the flood has just begun, and code of the page is not compiled yet. */
const FLOOD_WARM_UP_KEYS = 4;
/** `yes` wrote at least this much for each key; less is no flood, but a few lines. */
const LEAST_FLOOD_BYTES = 16_384;

/** The effect of a key is what the program that reads it prints, behind everything that `yes` printed before. */
export const dashboardKeyBesideFlood: Row = terminalRow(
  {
    name: "dashboard: key pressed beside yes to its effect painted",
    unit: "ms",
    asked: { p50: 200, better: "lower" },
  },
  async (server, id) => await makeFile(server, id, MAKE_FLOOD),
  async (terminal) => {
    const times: number[] = [];
    await terminal.type(START_FLOOD);
    await terminal.painted(ENTER, FLOOD_LINE);
    for (let n = 1; n <= FLOOD_KEYS; n++) {
      await setTimeout(PAUSE_MS + ((n * 7) % 17));
      const ms = await terminal.painted(LETTER, answerTo(n));
      if (n > FLOOD_WARM_UP_KEYS) times.push(ms);
    }
    await terminal.painted(CTRL_C, END_OF_FLOOD);
    const flooded = floodedBytes(await terminal.text()) ?? 0;
    if (flooded < FLOOD_KEYS * LEAST_FLOOD_BYTES) throw new Error(`yes wrote only ${flooded} bytes`);
    await terminal.end();
    return times;
  },
);
