import type { CallOptions, SharedClient } from "../transport/call-options.ts";
import { Capsule } from "./capsule.ts";
import type { CreateOptions, ListOptions } from "./capsule-options.ts";

/** The static calls of {@link Capsule} on the connection of a client. */
export class Capsules {
  readonly #client: SharedClient;

  /** @internal */
  constructor(client: SharedClient) {
    this.#client = client;
  }

  /** As {@link Capsule.create}. */
  async create(options: CreateOptions = {}): Promise<Capsule> {
    return await Capsule.create({ ...options, client: this.#client });
  }

  /** As {@link Capsule.connect}. */
  async connect(idOrName: string, options: CallOptions = {}): Promise<Capsule> {
    return await Capsule.connect(idOrName, { ...options, client: this.#client });
  }

  /** As {@link Capsule.get}. */
  async get(idOrName: string, options: CallOptions = {}): Promise<Capsule> {
    return await Capsule.get(idOrName, { ...options, client: this.#client });
  }

  /** As {@link Capsule.list}. */
  list(options: ListOptions = {}): AsyncIterable<Capsule> {
    return Capsule.list({ ...options, client: this.#client });
  }

  /** As {@link Capsule.getOrCreate}. */
  async getOrCreate(name: string, options: Omit<CreateOptions, "name"> = {}): Promise<Capsule> {
    return await Capsule.getOrCreate(name, { ...options, client: this.#client });
  }
}
