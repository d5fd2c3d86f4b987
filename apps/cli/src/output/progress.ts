/** One long step, as the builders report it. */
export interface ProgressEvent {
  readonly step: string;
  /** 0 to 1 where the step knows how far it is. */
  readonly fraction?: number;
  readonly detail?: string;
}

const BAR_WIDTH = 28;
const REDRAW_MS = 80;

/** Shows long steps: a bar that moves on a terminal, one line per step elsewhere. */
export class ProgressDisplay {
  readonly #output: NodeJS.WriteStream;
  #step: string | undefined;
  #startedAt = 0;
  #drawnAt = 0;

  constructor(output: NodeJS.WriteStream) {
    this.#output = output;
  }

  /** Takes an event; a new step name ends the step before it. */
  readonly update = (event: ProgressEvent): void => {
    if (event.step !== this.#step) {
      this.#finishStep();
      this.#step = event.step;
      this.#startedAt = performance.now();
      if (!this.#output.isTTY) this.#output.write(`${event.step} …\n`);
    }
    if (this.#output.isTTY) this.#draw(event);
  };

  /** Ends the current step. */
  done(): void {
    this.#finishStep();
    this.#step = undefined;
  }

  #draw(event: ProgressEvent): void {
    const now = performance.now();
    if (now - this.#drawnAt < REDRAW_MS && event.fraction !== 1) return;
    this.#drawnAt = now;
    const seconds = ((now - this.#startedAt) / 1000).toFixed(0);
    const detail = event.detail === undefined ? "" : ` ${event.detail}`;
    const text = `${bar(event.fraction)} ${event.step} ${seconds} s${detail}`;
    this.#output.write(`\r\u001b[K${text.slice(0, (this.#output.columns || 80) - 1)}`);
  }

  #finishStep(): void {
    if (this.#step === undefined) return;
    const seconds = ((performance.now() - this.#startedAt) / 1000).toFixed(1);
    if (this.#output.isTTY) this.#output.write(`\r\u001b[K✓ ${this.#step} (${seconds} s)\n`);
  }
}

function bar(fraction: number | undefined): string {
  if (fraction === undefined) return `[${"·".repeat(BAR_WIDTH)}]`;
  const filled = Math.round(Math.min(Math.max(fraction, 0), 1) * BAR_WIDTH);
  return `[${"█".repeat(filled)}${" ".repeat(BAR_WIDTH - filled)}]`;
}
