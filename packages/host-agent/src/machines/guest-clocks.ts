import { WrennError } from "@wrenn/core";
import type { Clock, Logger } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import type { HeldMachine } from "./held-machine.ts";

/** How far the clock of a guest may be off: further, and it is stepped. Up to this it is slewed, so that it never runs backwards. */
const TOLERANCE_MS = 50;
/** Renewing is repeated until the error is at most this, a few times; afterwards the tolerance is enough. */
const GOOD_MS = 25;
const GOOD_ATTEMPTS = 5;
const ATTEMPTS = 10;
/** Errors below this are left alone: measuring is not much better. */
const DEAD_BAND_MS = 5;
const PROBES = 5;
/** A running clock is looked at this often: the host's may be slewed by 0.5 ms a second, which a guest does not follow. */
const CHECK_MS = 60_000;

export type ClockedGuest = Pick<GuestLink, "configure" | "info">;

export interface GuestClocksDeps {
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly logger: Logger;
}

/** Keeps the wall clocks of guests at the host's: after each stop of a machine, and while it runs. */
export class GuestClocks {
  readonly #deps: GuestClocksDeps;
  /** When the clock of a machine's guest has to be looked at next, in monotonic milliseconds. Without an entry: now. */
  readonly #due = new WeakMap<HeldMachine, number>();
  /** Links to guest agents that cannot slew. */
  readonly #steppers = new WeakSet<ClockedGuest>();

  constructor(deps: GuestClocksDeps) {
    this.#deps = deps;
  }

  /**
   * Steps the clock of a guest whose machine stood still, while its users' processes do. The host's time is taken when the
   * request is written, so the guest is behind by its way there: repeated until that is known to be short, with half of the
   * shortest round trip so far added. An abort leaves the clock wrong by an unknown amount, and {@link isDue} true.
   */
  async renew(machine: HeldMachine, guest: ClockedGuest, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    this.#due.delete(machine);
    let shortest = 0;
    for (let attempt = 1; attempt <= ATTEMPTS; attempt++) {
      const lead = Math.min(shortest / 2, TOLERANCE_MS);
      const tookMs = await this.#set(guest, { lead, slew: false }, signal);
      const errorMs = Math.max(lead, tookMs - lead);
      if (errorMs <= (attempt <= GOOD_ATTEMPTS ? GOOD_MS : TOLERANCE_MS)) {
        this.#due.set(machine, clock.monotonic() + CHECK_MS);
        return;
      }
      shortest = Math.min(shortest || tookMs, tookMs);
      if (attempt === ATTEMPTS)
        logger.warn("guest.clock_uncertain", { machine: machine.id, errorMs: Math.round(errorMs) });
    }
  }

  /** Whether the clock of a running guest has not been looked at for a minute, or could not be renewed. */
  isDue(machine: HeldMachine): boolean {
    return this.#deps.clock.monotonic() >= (this.#due.get(machine) ?? 0);
  }

  /** The clock of a running guest has to be looked at now. */
  doubt(machine: HeldMachine): void {
    this.#due.delete(machine);
  }

  /**
   * Corrects the clock of a guest whose users' processes run. Within the tolerance it is slewed, beyond it is stepped and looked
   * at again soon. An abort leaves it as it was, or corrected.
   */
  async check(machine: HeldMachine, guest: ClockedGuest, signal: AbortSignal): Promise<void> {
    const { clock, logger } = this.#deps;
    const { aheadMs, roundTripMs } = await this.#measure(guest, signal);
    // A slow answer says little; what it leaves open counts in favour of the guest's clock.
    const surelyMs = Math.abs(aheadMs) - roundTripMs / 2;
    const lead = roundTripMs / 2;
    if (surelyMs <= DEAD_BAND_MS) {
      if (roundTripMs <= TOLERANCE_MS) this.#due.set(machine, clock.monotonic() + CHECK_MS);
      return;
    }
    if (Math.abs(aheadMs) <= TOLERANCE_MS) {
      await this.#slew(guest, { lead, aheadMs }, signal);
      this.#due.set(machine, clock.monotonic() + CHECK_MS);
      return;
    }
    logger.info("guest.clock_stepped", { machine: machine.id, byMs: Math.round(-aheadMs) });
    this.#due.delete(machine);
    await this.#set(guest, { lead, slew: false }, signal);
  }

  async #slew(
    guest: ClockedGuest,
    { lead, aheadMs }: { readonly lead: number; readonly aheadMs: number },
    signal: AbortSignal,
  ): Promise<void> {
    if (!this.#steppers.has(guest)) {
      try {
        await this.#set(guest, { lead, slew: true }, signal);
        return;
      } catch (error) {
        // An agent of an earlier version, in the memory of a capsule that was frozen then.
        if (!WrennError.is(error, "guest_protocol")) throw error;
        this.#steppers.add(guest);
      }
    }
    // Forwards only: a clock that goes backwards by a little breaks more than one that is a little ahead.
    if (aheadMs < -GOOD_MS) await this.#set(guest, { lead, slew: false }, signal);
  }

  /** Sets the clock to the host's, `lead` ms further. Returns the milliseconds until the answer. */
  async #set(
    guest: ClockedGuest,
    { lead, slew }: { readonly lead: number; readonly slew: boolean },
    signal: AbortSignal,
  ): Promise<number> {
    const { clock } = this.#deps;
    const sentAt = clock.monotonic();
    const wallClockNs = BigInt(Math.round((clock.now() + lead) * 1e6));
    await guest.configure({ wallClockNs, ...(slew ? { slewClock: true } : {}) }, signal);
    return clock.monotonic() - sentAt;
  }

  /** By how much a guest's clock is ahead of the host's, within half of the round trip: the quickest of a few answers. */
  async #measure(
    guest: ClockedGuest,
    signal: AbortSignal,
  ): Promise<{ readonly aheadMs: number; readonly roundTripMs: number }> {
    const { clock } = this.#deps;
    let best = { aheadMs: 0, roundTripMs: Number.POSITIVE_INFINITY };
    for (let probe = 0; probe < PROBES && best.roundTripMs > GOOD_MS; probe++) {
      const sentAt = clock.monotonic();
      const { wallClockNs } = await guest.info(signal);
      const roundTripMs = clock.monotonic() - sentAt;
      const aheadMs = Number(wallClockNs) / 1e6 - (clock.now() - roundTripMs / 2);
      if (roundTripMs < best.roundTripMs) best = { aheadMs, roundTripMs };
    }
    return best;
  }
}
