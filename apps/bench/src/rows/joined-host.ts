import { withCapsule } from "../capsule.ts";
import { startJoinedHostLab } from "../joined-host/lab.ts";
import { echoes, openEcho } from "../terminal.ts";
import type { Row } from "../row.ts";

/** As "terminal echo (WebSocket)", but the capsule is on a host that the control plane reaches through the link. */
export const terminalEchoJoinedHost: Row = {
  name: "terminal echo, capsule on a joined host",
  unit: "ms",
  prepare: async ({ signal }) => {
    const lab = await startJoinedHostLab(signal);
    return {
      // The capsule is there only while it is measured: its idle guest would take time from the other rows.
      sample: async () => {
        await using undo = new AsyncDisposableStack();
        const { id, dispose } = await withCapsule(lab);
        undo.defer(dispose);
        const socket = await openEcho(lab, id);
        undo.defer(() => socket.close());
        return await echoes(socket);
      },
      dispose: () => lab.close(),
    };
  },
};
