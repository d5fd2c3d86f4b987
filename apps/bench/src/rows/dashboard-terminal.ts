import { setTimeout } from "node:timers/promises";
import { withCapsule } from "../capsule.ts";
import { createAdministrator } from "../dashboard/administrator.ts";
import { browserMissing, withBrowser } from "../dashboard/browser.ts";
import { builtDashboardOf } from "../dashboard/built-dashboard.ts";
import { TerminalPage } from "../dashboard/terminal-page.ts";
import type { TerminalKey } from "../dashboard/terminal-page.ts";
import { startOwnServer } from "../own-server.ts";
import type { OwnServer } from "../own-server.ts";
import type { Row } from "../row.ts";

const KEYS = 40;
/** Of them, the first ones, which load code and fonts. */
const WARM_UP_KEYS = 10;
/** Between two keys at least: a person types, and all is idle again. */
const PAUSE_MS = 60;
const LETTER: TerminalKey = { key: "q", code: "KeyQ", text: "q", windowsVirtualKeyCode: 81 };
const ENTER: TerminalKey = { key: "Enter", code: "Enter", text: "\r", windowsVirtualKeyCode: 13 };

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
  async ({ api }, id) => {
    const { exit_code: code } = await api<{ exit_code: number }>("POST", `/v1/capsules/${id}/exec`, {
      cmd: "sh",
      args: ["-c", `{ ${MAKE_FILE}; } > /root/lines`],
      timeout_sec: 300,
    });
    if (code !== 0) throw new Error(`the file was not made: exit code ${code}`);
  },
  async (terminal) => {
    await terminal.type("cat /root/lines");
    const ms = await terminal.painted(ENTER, LAST_LINE);
    await terminal.end();
    return ms;
  },
);
