import type { SignalName } from "../errors/exit-codes.ts";

/**
 * What becomes of signals while a program runs in a capsule: each goes to the program once, and one that arrives a second time means
 * that the user has no patience with the program left.
 */
export class PassedSignals {
  readonly #passed = new Set<SignalName>();

  /** Whether the signal is for the program: `leave` means that the command ends without it. */
  receive(name: SignalName): "pass" | "leave" {
    if (this.#passed.has(name)) return "leave";
    this.#passed.add(name);
    return "pass";
  }
}
