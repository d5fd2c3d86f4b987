/**
 * The QMP commands that the driver uses, with their arguments and the fields of their answers that it uses (QEMU QMP reference).
 * `qmp-answers.ts` checks each answer.
 */
export interface QmpCommands {
  readonly qmp_capabilities: { arguments: undefined; return: object };
  readonly stop: { arguments: undefined; return: object };
  readonly cont: { arguments: undefined; return: object };
  readonly quit: { arguments: undefined; return: object };
  readonly "query-version": {
    arguments: undefined;
    return: {
      readonly qemu: { readonly major: number; readonly minor: number; readonly micro: number };
      readonly package: string;
    };
  };
  readonly "query-status": {
    arguments: undefined;
    return: { readonly status: RunState };
  };
  readonly "query-block": {
    arguments: undefined;
    return: readonly {
      readonly device: string;
      /** How the last request ended that QEMU made for the guest; `cont` resets it. */
      readonly "io-status"?: "ok" | "failed" | "nospace";
      readonly inserted?: { readonly file: string };
    }[];
  };
  readonly "query-migrate": {
    arguments: undefined;
    return: { readonly status?: string; readonly "error-desc"?: string };
  };
  readonly "migrate-set-capabilities": {
    arguments: {
      readonly capabilities: readonly {
        readonly capability: "x-ignore-shared" | "events";
        readonly state: boolean;
      }[];
    };
    return: object;
  };
  readonly "migrate-set-parameters": {
    arguments: { readonly "announce-rounds": number };
    return: object;
  };
  /** Takes the descriptor that comes with it, under a name for `fd:` addresses. */
  readonly getfd: { arguments: { readonly fdname: string }; return: object };
  /** Puts the descriptor that comes with it into a set, by default a new one, for paths below /dev/fdset. */
  readonly "add-fd": {
    arguments: { readonly "fdset-id"?: number; readonly opaque: string };
    return: { readonly "fdset-id": number };
  };
  /** Forgets a set; what was opened through it stays open. */
  readonly "remove-fd": { arguments: { readonly "fdset-id": number }; return: object };
  readonly "query-fdsets": {
    arguments: undefined;
    return: readonly {
      readonly "fdset-id": number;
      readonly fds: readonly { readonly opaque?: string }[];
    }[];
  };
  readonly migrate: { arguments: { readonly uri: string }; return: object };
  readonly "migrate-incoming": { arguments: { readonly uri: string }; return: object };
  readonly block_resize: {
    arguments: { readonly device: string; readonly size: number };
    return: object;
  };
  readonly "blockdev-add": {
    arguments: {
      readonly driver: "qcow2";
      readonly "node-name": string;
      readonly file: {
        readonly driver: "file";
        readonly filename: string;
        readonly locking: "off";
        readonly cache: { readonly direct: boolean; readonly "no-flush": boolean };
        readonly discard: "unmap";
      };
      readonly backing: null;
      readonly cache: { readonly direct: boolean; readonly "no-flush": boolean };
      readonly discard: "unmap";
    };
    return: object;
  };
  readonly "blockdev-del": { arguments: { readonly "node-name": string }; return: object };
  /** Puts a node above the one that a device or node writes, and lets it write there. */
  readonly "blockdev-snapshot": {
    arguments: { readonly node: string; readonly overlay: string };
    return: object;
  };
}

/** Every state that QEMU's documentation lists, and whatever a later version adds. */
export type RunState =
  | "running"
  | "paused"
  | "prelaunch"
  | "postmigrate"
  | "inmigrate"
  | "finish-migrate"
  | "io-error"
  | "internal-error"
  | "guest-panicked"
  | "shutdown"
  | "suspended"
  | "watchdog"
  | "debug"
  | "save-vm"
  | "restore-vm"
  | "colo";
