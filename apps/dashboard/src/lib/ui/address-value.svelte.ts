import { replaceState } from "$app/navigation";
import { page } from "$app/state";

/** A choice that is part of the page's address, so that the address leads to it again; the way back skips it. */
export class AddressValue {
  #value = $state("");
  readonly #name: string;

  /** @param name - of the parameter; what the page was opened with is the first value. */
  constructor(name: string) {
    this.#name = name;
    this.#value = page.url.searchParams.get(name) ?? "";
  }

  get value(): string {
    return this.#value;
  }

  /** @param value - nothing takes it out of the address. */
  set(value: string): void {
    this.#value = value;
    const url = new URL(location.href);
    if (value === "") url.searchParams.delete(this.#name);
    else url.searchParams.set(this.#name, value);
    void replaceState(url, {});
  }
}
