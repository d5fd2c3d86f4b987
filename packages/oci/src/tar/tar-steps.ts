/** What a parser needs before it goes on: bytes, or that bytes are passed over. */
export type TarStep = { readonly take: number } | { readonly skip: number };

/** A parser that is given bytes as they arrive. */
export type TarParser<T> = Generator<TarStep, T, Buffer>;

export function* take(bytes: number): TarParser<Buffer> {
  return yield { take: bytes };
}
