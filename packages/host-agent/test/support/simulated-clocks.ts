import type { Clock } from "@wrenn/core";
import type { GuestLink } from "@wrenn/guest";
import type { Machine } from "@wrenn/vmm";

/** What a machine that was just started has for its time: an hour ago, when it was frozen. */
const FROZEN_AGO_MS = 3_600_000;

class SimulatedClock {
  /** Guest time minus monotonic time, milliseconds. */
  difference: number;
  stoppedAt: number | undefined;

  constructor(difference: number) {
    this.difference = difference;
  }
}

/**
 * Clocks for guests that have none of their own: they stand still while their machine does, and show what they were set to.
 * Notes how far each was ahead of the host's whenever the users' processes of its guest were thawed.
 */
export class SimulatedClocks {
  /** Milliseconds ahead of the host's clock at each thaw. */
  readonly aheadAtThaw: number[] = [];
  readonly #clocks = new Map<string, SimulatedClock>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  readonly onMachine = (machine: Machine): void => {
    const of = this.#of(machine);
    const { stop, resume, destroy } = {
      stop: machine.stop.bind(machine),
      resume: machine.resume.bind(machine),
      destroy: machine.destroy.bind(machine),
    };
    Object.assign(machine, {
      destroy: async () => {
        this.#clocks.delete(machine.guestChannel.interactive);
        await destroy();
      },
      stop: async (signal: AbortSignal) => {
        await stop(signal);
        of.stoppedAt ??= this.#clock.monotonic();
      },
      resume: async (signal: AbortSignal) => {
        await resume(signal);
        if (of.stoppedAt !== undefined) of.difference -= this.#clock.monotonic() - of.stoppedAt;
        of.stoppedAt = undefined;
      },
    });
  };

  readonly onGuest = (link: GuestLink, machine: Pick<Machine, "guestChannel">): void => {
    const { configure, info, thaw } = {
      configure: link.configure.bind(link),
      info: link.info.bind(link),
      thaw: link.thaw.bind(link),
    };
    // By the machine's name each time: a link outlives its machine.
    Object.assign(link, {
      configure: async (...[settings, signal]: Parameters<typeof configure>) => {
        const warnings = await configure(settings, signal);
        const { wallClockNs } = settings;
        if (wallClockNs !== undefined)
          this.#of(machine).difference = Number(wallClockNs) / 1e6 - this.#clock.monotonic();
        return warnings;
      },
      info: async (signal: AbortSignal) => ({
        ...(await info(signal)),
        wallClockNs: BigInt(Math.round((this.#clock.monotonic() + this.#of(machine).difference) * 1e6)),
      }),
      thaw: async (signal: AbortSignal) => {
        this.aheadAtThaw.push(this.#ahead(this.#of(machine)));
        await thaw(signal);
      },
    });
  };

  /** By how many milliseconds the clock of each guest that lives is ahead of the host's. */
  get ahead(): readonly number[] {
    return [...this.#clocks.values()].map((of) => this.#ahead(of));
  }

  #ahead(of: SimulatedClock): number {
    return of.difference + this.#clock.monotonic() - this.#clock.now();
  }

  /** The same for every object that stands for the machine: a host agent that is restarted makes another. */
  #of({ guestChannel }: Pick<Machine, "guestChannel">): SimulatedClock {
    const difference = this.#clock.now() - FROZEN_AGO_MS - this.#clock.monotonic();
    const known = this.#clocks.get(guestChannel.interactive) ?? new SimulatedClock(difference);
    this.#clocks.set(guestChannel.interactive, known);
    return known;
  }
}
