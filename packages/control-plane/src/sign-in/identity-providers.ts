import { WrennError } from "@wrenn/core";
import type { IdentityProvider } from "./identity-provider.ts";

/** The providers that the operator has set up, by name. */
export class IdentityProviders {
  readonly #byName: ReadonlyMap<string, IdentityProvider>;

  constructor(providers: readonly IdentityProvider[]) {
    this.#byName = new Map(providers.map((provider) => [provider.name, provider]));
  }

  all(): readonly IdentityProvider[] {
    return [...this.#byName.values()];
  }

  find(name: string): IdentityProvider | undefined {
    return this.#byName.get(name);
  }

  /** @throws WrennError `provider_not_found`. */
  get(name: string): IdentityProvider {
    const provider = this.#byName.get(name);
    if (!provider) throw new WrennError("provider_not_found", { provider: name });
    return provider;
  }
}
