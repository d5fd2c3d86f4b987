import type {
  ConsoleLog,
  ConsolePiece,
  ListeningPort,
  ListeningPorts,
  Measurement,
  MeasurementQuery,
} from "@wrenn/protocol";

/** What can be seen of the capsules of a fake host: what tests put there. */
export class FakeObservations {
  readonly #consoles = new Map<string, ConsolePiece[]>();
  readonly #listeners = new Map<string, ListeningPorts>();
  readonly #measurements = new Map<string, Measurement[]>();
  readonly #observers = new Set<(listeners: ListeningPorts) => void>();
  /** Capsules whose measurements were asked for by a caller that asks again. */
  readonly watched = new Set<string>();

  /** Lets a capsule write to its console. */
  write(id: string, bytes: Uint8Array, at: number = Date.now()): void {
    const pieces = this.#consoles.get(id) ?? [];
    const last = pieces.at(-1);
    pieces.push({ at, offset: last ? last.offset + last.bytes.length : 0, bytes, gap: false });
    this.#consoles.set(id, pieces);
  }

  /** Lets a capsule listen on these ports and no others, and reports it. */
  listen(id: string, ports: readonly ListeningPort[], at: number = Date.now()): void {
    const listeners = { id, ports: [...ports], unlisted: 0, at };
    this.#listeners.set(id, listeners);
    for (const observer of this.#observers) observer(listeners);
  }

  measure(id: string, measurement: Measurement): void {
    this.#measurements.set(id, [...(this.#measurements.get(id) ?? []), measurement]);
  }

  measurements(id: string, { after, watch }: MeasurementQuery): readonly Measurement[] {
    if (watch) this.watched.add(id);
    return (this.#measurements.get(id) ?? []).filter(({ timestamp }) => timestamp > after);
  }

  listeners(id: string): ListeningPorts {
    return this.#listeners.get(id) ?? { id, ports: [], unlisted: 0, at: 0 };
  }

  observe(observer: (listeners: ListeningPorts) => void): () => void {
    this.#observers.add(observer);
    for (const listeners of this.#listeners.values()) observer(listeners);
    return () => this.#observers.delete(observer);
  }

  consoleLog(id: string, from: number): ConsoleLog {
    const pieces = (this.#consoles.get(id) ?? [])
      .filter(({ offset, bytes }) => offset + bytes.length > from)
      .map((piece) => {
        const known = Math.max(0, from - piece.offset);
        return { ...piece, offset: piece.offset + known, bytes: piece.bytes.subarray(known) };
      });
    const last = pieces.at(-1);
    return { pieces, next: last ? last.offset + last.bytes.length : from };
  }
}
