import type { Measurement } from "@wrenn/protocol";

const fields = [
  "timestamp",
  "cpuPercent",
  "memoryBytes",
  "diskBytes",
  "cpuCount",
  "memoryTotalBytes",
  "diskUsedBytes",
  "diskTotalBytes",
  "networkInBytes",
  "networkOutBytes",
  "memoryCachedBytes",
] as const satisfies readonly (keyof Measurement)[];

/** Room that is made for measurements when the first one arrives; it doubles as more do. */
const FIRST_ROOM = 8;

/** The last measurements of one resolution, packed: a host keeps some of them for each of thousands of capsules. */
export class MeasurementRing {
  readonly #size: number;
  #values = new Float64Array(0);
  /** Measurements that were pushed. */
  #count = 0;

  constructor(size: number) {
    this.#size = size;
  }

  push(point: Measurement): void {
    const room = this.#values.length / fields.length;
    if (this.#count >= room && room < this.#size) {
      const grown = new Float64Array(Math.min(this.#size, Math.max(FIRST_ROOM, room * 2)) * fields.length);
      grown.set(this.#values);
      this.#values = grown;
    }
    const at = (this.#count % this.#size) * fields.length;
    for (const [index, field] of fields.entries()) this.#values[at + index] = point[field] ?? Number.NaN;
    this.#count += 1;
  }

  /** Those with a later timestamp, oldest first. */
  after(timestamp: number): Measurement[] {
    const found: Measurement[] = [];
    for (let index = Math.max(0, this.#count - this.#size); index < this.#count; index += 1) {
      const at = (index % this.#size) * fields.length;
      if ((this.#values[at] ?? 0) > timestamp) found.push(this.#read(at));
    }
    return found;
  }

  #read(at: number): Measurement {
    const value = (field: (typeof fields)[number]): number => this.#values[at + fields.indexOf(field)] ?? 0;
    const memoryCachedBytes = value("memoryCachedBytes");
    return {
      ...(Number.isNaN(memoryCachedBytes) ? {} : { memoryCachedBytes }),
      timestamp: value("timestamp"),
      cpuPercent: value("cpuPercent"),
      memoryBytes: value("memoryBytes"),
      diskBytes: value("diskBytes"),
      cpuCount: value("cpuCount"),
      memoryTotalBytes: value("memoryTotalBytes"),
      diskUsedBytes: value("diskUsedBytes"),
      diskTotalBytes: value("diskTotalBytes"),
      networkInBytes: value("networkInBytes"),
      networkOutBytes: value("networkOutBytes"),
    };
  }
}
