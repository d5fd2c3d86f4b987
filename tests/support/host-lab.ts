import { runCommand, tryCommand } from "@wrenn/system";

/** A machine of its own as far as the network goes: a namespace with one cable to this machine. */
export interface LabHost {
  /** To run a command in it: `[...enter, program, …]`. */
  readonly enter: readonly string[];
  readonly address: string;
  /** Address of this machine as the host sees it. */
  readonly gateway: string;
  /** Unplugs the cable, or plugs it in again. */
  plug(plugged: boolean): Promise<void>;
}

/** Namespaces for host agents, cabled to this machine. Only the network is theirs: files and control groups are shared. */
export class HostLab implements AsyncDisposable {
  readonly #names: string[] = [];
  readonly #prefix: string;

  /** @param prefix at most ten characters that no other lab uses. */
  constructor(prefix: string) {
    this.#prefix = prefix;
  }

  async host(): Promise<LabHost> {
    const number = this.#names.length + 1;
    const name = `${this.#prefix}-${number}`;
    const gateway = `198.51.100.${number * 4 + 1}`;
    const address = `198.51.100.${number * 4 + 2}`;
    this.#names.push(name);
    // Of a run that was killed; two that hold the same network would answer for each other.
    await tryCommand(["ip", "link", "del", name]);
    await tryCommand(["ip", "netns", "del", name]);
    await runCommand(["ip", "netns", "add", name]);
    await runCommand(["ip", "-batch", "-"], {
      input: `link add ${name} type veth peer name eth0 netns ${name}\naddr add ${gateway}/30 dev ${name}\nlink set ${name} up\n`,
    });
    await runCommand(["ip", "-n", name, "-batch", "-"], {
      input: `link set lo up\naddr add ${address}/30 dev eth0\nlink set eth0 up\nroute add default via ${gateway}\n`,
    });
    return {
      // Not `ip netns exec`, which hides the control groups below a /sys of its own.
      enter: ["nsenter", `--net=/run/netns/${name}`, "--"],
      address,
      gateway,
      plug: async (plugged) => {
        await runCommand(["ip", "link", "set", name, plugged ? "up" : "down"]);
      },
    };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const name of this.#names) {
      await tryCommand(["ip", "link", "del", name]);
      await tryCommand(["ip", "netns", "del", name]);
    }
  }
}
