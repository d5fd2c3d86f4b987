import { close } from "node:fs";
import { Socket } from "node:net";
import { descriptorAddon } from "./descriptor-addon.ts";

/** A connection that only its two ends reach. */
export interface DescriptorPair extends Disposable {
  readonly ours: Socket;
  /** The end to hand over: a copy is sent, and this one closed by `closeTheirs`. */
  readonly theirs: number;
  closeTheirs(): void;
}

/** @throws an error with the code EMFILE or ENFILE when there are no descriptors left. */
export function descriptorPair(): DescriptorPair {
  const [fd, theirs] = descriptorAddon().socketPair();
  const ours = new Socket({ fd, readable: true, writable: true });
  let isOpen = true;
  const closeTheirs = (): void => {
    if (isOpen) close(theirs, () => undefined);
    isOpen = false;
  };
  return {
    ours,
    theirs,
    closeTheirs,
    [Symbol.dispose]: () => {
      closeTheirs();
      ours.destroy();
    },
  };
}
