import { readFile } from "node:fs/promises";

/** Bytes that passed a network device, as its capsule sees them. */
export interface InterfaceTraffic {
  readonly inBytes: number;
  readonly outBytes: number;
}

/**
 * What passed a TAP device since it was made: the kernel's counters in the network namespace of a process. Undefined where there
 * is no such process or device.
 */
export async function readInterfaceTraffic(
  pid: number,
  device: string,
): Promise<InterfaceTraffic | undefined> {
  const text = await readFile(`/proc/${pid}/net/dev`, "utf8").catch(() => "");
  return parseInterfaceTraffic(text, device);
}

/** Reads proc_pid_net(5) `dev`: after the name eight counters of what the host received, then eight of what it sent. */
export function parseInterfaceTraffic(text: string, device: string): InterfaceTraffic | undefined {
  for (const line of text.split("\n")) {
    const [name = "", counters = ""] = line.split(":");
    if (name.trim() !== device) continue;
    const values = counters.trim().split(/\s+/).map(Number);
    const [received, sent] = [values[0], values[8]];
    if (received === undefined || sent === undefined || !(received >= 0) || !(sent >= 0)) return undefined;
    // What the host receives from the device is what the capsule sent.
    return { inBytes: sent, outBytes: received };
  }
  return undefined;
}
