import type { Measurement } from "@wrenn/protocol";

/** Measurements that become one: means, with the sums of what passed the network. */
export class MeasurementMean {
  #count = 0;
  #since: number | undefined;
  #last: Measurement | undefined;
  #cpu = 0;
  #memory = 0;
  /** Of those that have it: a guest whose agent is replaced begins or ceases to measure it. */
  readonly #cached = { sum: 0, count: 0 };
  #disk = 0;
  #diskUsed = 0;
  #networkIn = 0;
  #networkOut = 0;

  /** Timestamp of the first one; undefined while there is none. */
  get since(): number | undefined {
    return this.#since;
  }

  add(point: Measurement): void {
    this.#since ??= point.timestamp;
    this.#last = point;
    this.#count += 1;
    this.#cpu += point.cpuPercent;
    this.#memory += point.memoryBytes;
    if (point.memoryCachedBytes !== undefined) {
      this.#cached.sum += point.memoryCachedBytes;
      this.#cached.count += 1;
    }
    this.#disk += point.diskBytes;
    this.#diskUsed += point.diskUsedBytes;
    this.#networkIn += point.networkInBytes;
    this.#networkOut += point.networkOutBytes;
  }

  /** The mean until now, stamped with the last one; undefined while there is none. */
  look(): Measurement | undefined {
    const count = this.#count;
    if (!this.#last) return undefined;
    const { memoryCachedBytes: _last, ...last } = this.#last;
    const { sum, count: measured } = this.#cached;
    return {
      ...last,
      ...(measured === 0 ? {} : { memoryCachedBytes: Math.round(sum / measured) }),
      cpuPercent: this.#cpu / count,
      memoryBytes: Math.round(this.#memory / count),
      diskBytes: Math.round(this.#disk / count),
      diskUsedBytes: Math.round(this.#diskUsed / count),
      networkInBytes: this.#networkIn,
      networkOutBytes: this.#networkOut,
    };
  }

  /** The same, and begins again. */
  take(): Measurement | undefined {
    const mean = this.look();
    this.#count = 0;
    this.#since = undefined;
    this.#last = undefined;
    this.#cpu = 0;
    this.#memory = 0;
    Object.assign(this.#cached, { sum: 0, count: 0 });
    this.#disk = 0;
    this.#diskUsed = 0;
    this.#networkIn = 0;
    this.#networkOut = 0;
    return mean;
  }
}
