import { spawn } from "node:child_process";
import { once } from "node:events";
import { withCapsule } from "../capsule.ts";
import { echoes, openEcho } from "../terminal.ts";
import type { BenchContext, Row, RunningRow } from "../row.ts";

const PORT = 8000;
/** Until the process that serves ports has started, which an address that is given out causes. */
const PORT_PROCESS_MS = 3000;
/** Until a download is under way at full speed. */
const UNDER_WAY_MS = 500;
const ENDLESS = `
import socket, threading
block = b'x' * 262144
def serve(c):
    try:
        c.recv(65536)
        c.sendall(b'HTTP/1.1 200 OK\\r\\nContent-Length: 1000000000000\\r\\n\\r\\n')
        while True: c.sendall(block)
    except OSError: c.close()
s = socket.create_server(('0.0.0.0', ${PORT}))
while True: threading.Thread(target=serve, args=(s.accept()[0],), daemon=True).start()
`;

/** Keystrokes' way while a port of this or another capsule sends as fast as it can to a client in a process of its own. */
function besideSaturation(facts: Omit<Row, "prepare">, sameCapsule: boolean): Row {
  return {
    ...facts,
    prepare: async (context) => {
      const busy = await withEndlessPort(context);
      const quiet = sameCapsule ? undefined : await withCapsule(context);
      const socket = await openEcho(context, quiet?.id ?? busy.id);
      return {
        sample: async () => {
          const download = spawn("curl", ["-s", "-o", "/dev/null", busy.url], { stdio: "ignore" });
          const ended = once(download, "exit");
          await new Promise((resolve) => setTimeout(resolve, UNDER_WAY_MS));
          const times = await echoes(socket);
          if (download.exitCode !== null) throw new Error(`curl ended with ${download.exitCode}`);
          download.kill();
          await ended;
          return times;
        },
        dispose: async () => {
          socket.close();
          await quiet?.dispose();
          await busy.dispose();
        },
      } satisfies RunningRow;
    },
  };
}

/** A capsule with a public port that sends for ever. */
async function withEndlessPort(context: BenchContext) {
  const { api } = context;
  const capsule = await withCapsule(context);
  const path = `/v1/capsules/${capsule.id}`;
  await api("POST", `${path}/exec`, { cmd: "python3", args: ["-c", ENDLESS], background: true });
  await api("POST", `${path}/exec`, {
    cmd: "sh",
    args: [
      "-c",
      `until curl -s -m 1 -o /dev/null -r 0-0 localhost:${PORT} || [ $? = 28 ]; do sleep 0.1; done`,
    ],
  });
  const { url } = await api<{ url: string }>("PUT", `${path}/ports/${PORT}`, { access: "public" });
  await new Promise((resolve) => setTimeout(resolve, PORT_PROCESS_MS));
  return { ...capsule, url };
}

export const terminalEchoSaturatedPort: Row = besideSaturation(
  {
    name: "terminal echo, port of the capsule saturated",
    unit: "ms",
    asked: { p99: 30, better: "lower" },
  },
  true,
);

export const terminalEchoOtherSaturated: Row = besideSaturation(
  {
    name: "terminal echo, port of another saturated",
    unit: "ms",
    asked: { p99: 30, better: "lower" },
  },
  false,
);
