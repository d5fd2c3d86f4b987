import { withCapsule } from "../capsule.ts";
import { startJoinedHostLab } from "../joined-host/lab.ts";
import { echoes, openEcho } from "../terminal.ts";
import type { Row } from "../row.ts";

/** As "terminal echo (WebSocket)", but the capsule is on a host that the control plane reaches through the link. */
export const terminalEchoJoinedHost: Row = {
  name: "terminal echo, capsule on a joined host",
  unit: "ms",
  prepare: async ({ signal }) => {
    await using undo = new AsyncDisposableStack();
    const lab = await startJoinedHostLab(signal);
    undo.defer(() => lab.close());
    const { id, dispose } = await withCapsule(lab);
    undo.defer(dispose);
    const socket = await openEcho(lab, id);
    undo.defer(() => socket.close());
    const owned = undo.move();
    return { sample: () => echoes(socket), dispose: () => owned.disposeAsync() };
  },
};
