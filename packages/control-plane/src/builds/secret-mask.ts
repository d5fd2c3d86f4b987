/** What stands in the place of a secret. */
const MASK = "***";
/** Characters of the shortest line of a secret that is masked where it is printed without the others. */
const MIN_LINE = 6;

/**
 * Hides secrets in text. Masked are each secret, without line ends behind it, and each of its lines of at least 6 characters, without
 * spaces around it. Occurrences that overlap or touch are one `***`.
 */
export class SecretMask {
  readonly #patterns: Patterns | undefined;

  /** @param secrets - values that are not to be shown; empty ones and those of spaces alone hide nothing. */
  constructor(secrets: readonly string[]) {
    const texts = new Set(secrets.flatMap(textsOf));
    this.#patterns = texts.size > 0 ? new Patterns([...texts]) : undefined;
  }

  /** @returns the text with `***` for every occurrence of a secret. */
  mask(text: string): string {
    const stream = this.stream();
    return stream.take(text) + stream.end();
  }

  /** @returns a masked stream of text, whose pieces may be cut anywhere, also within a secret. */
  stream(): MaskedStream {
    return new MaskedStream(this.#patterns);
  }
}

/**
 * @param text - a whole text: secrets that it has in parts only are not found.
 * @param secrets - as in {@link SecretMask}.
 * @returns the text with `***` for every occurrence of a secret.
 */
export function maskSecrets(text: string, secrets: readonly string[]): string {
  return new SecretMask(secrets).mask(text);
}

/** Masks a text that arrives in pieces. What may be the beginning of a secret is held back until more of the text is known. */
export class MaskedStream {
  readonly #patterns: Patterns | undefined;
  #state = 0;
  /** The end of the text so far that is the beginning of a secret. */
  #held = "";
  /** What is secret of the held text: positions in it, in order and apart. */
  #secret: [begin: number, end: number][] = [];
  /** Whether what was given last is a mask: a secret that goes on gets no second one. */
  #endsMasked = false;

  /** @internal */
  constructor(patterns: Patterns | undefined) {
    this.#patterns = patterns;
  }

  /** @returns what can be shown by now. */
  take(piece: string): string {
    const patterns = this.#patterns;
    if (!patterns || piece === "") return piece;
    const before = this.#held.length;
    for (let at = 0; at < piece.length; at++) {
      this.#state = patterns.next(this.#state, piece.charCodeAt(at));
      const length = patterns.found(this.#state);
      if (length > 0) this.#hide(before + at + 1 - length, before + at + 1);
    }
    const text = this.#held + piece;
    return this.#release(text, text.length - patterns.depth(this.#state));
  }

  /** Ends the text. @returns what was held back. */
  end(): string {
    const rest = this.#release(this.#held, this.#held.length);
    this.#state = 0;
    this.#endsMasked = false;
    return rest;
  }

  #hide(from: number, end: number): void {
    let begin = from;
    for (let last = this.#secret.at(-1); last && last[1] >= begin; last = this.#secret.at(-1)) {
      begin = Math.min(begin, last[0]);
      this.#secret.pop();
    }
    this.#secret.push([begin, end]);
  }

  #release(text: string, length: number): string {
    const shown: string[] = [];
    const later: [number, number][] = [];
    let at = 0;
    for (const [begin, end] of this.#secret) {
      if (begin < length) {
        if (begin > at) {
          shown.push(text.slice(at, begin));
          this.#endsMasked = false;
        }
        if (!this.#endsMasked) shown.push(MASK);
        this.#endsMasked = true;
        at = Math.min(end, length);
      }
      if (end > length) later.push([Math.max(begin - length, 0), end - length]);
    }
    if (at < length) {
      shown.push(text.slice(at, length));
      this.#endsMasked = false;
    }
    this.#held = text.slice(length);
    this.#secret = later;
    return shown.join("");
  }
}

function textsOf(secret: string): readonly string[] {
  const whole = secret.replace(/[\r\n]+$/, "");
  if (whole.trim() === "") return [];
  const lines = whole.split(/\r\n|\r|\n/).map((line) => line.trim());
  return [whole, ...lines.filter((line) => line.length >= MIN_LINE)];
}

/**
 * Texts that are looked for together, character by character (Aho–Corasick). A state is the longest end of what was read that is the
 * beginning of one of the texts; 0 is the empty one. In arrays, as there may be megabytes of secrets.
 */
class Patterns {
  /** Of each state the first longer one: most have no other. */
  readonly #first: Int32Array;
  /** The others, by their parent and their character: a hash table with open addressing. Each text has one at most. */
  readonly #others: Int32Array;
  readonly #parent: Int32Array;
  readonly #char: Uint16Array;
  /** The state of the next shorter end that is the beginning of a text. */
  readonly #shorter: Int32Array;
  readonly #depth: Int32Array;
  /** Length of the longest text that ends in a state; 0 where none does. */
  readonly #found: Int32Array;

  constructor(texts: readonly string[]) {
    const most = texts.reduce((sum, { length }) => sum + length, 1);
    this.#first = new Int32Array(most);
    this.#others = new Int32Array(2 ** Math.ceil(Math.log2(texts.length * 2 + 1)));
    this.#parent = new Int32Array(most);
    this.#char = new Uint16Array(most);
    this.#shorter = new Int32Array(most);
    this.#depth = new Int32Array(most);
    this.#found = new Int32Array(most);
    let states = 1;
    for (const text of texts) {
      let state = 0;
      for (let at = 0; at < text.length; at++) {
        const char = text.charCodeAt(at);
        let child = this.#longer(state, char);
        if (child === 0) {
          child = states++;
          this.#parent[child] = state;
          this.#char[child] = char;
          this.#depth[child] = at + 1;
          if (this.#first[state] === 0) this.#first[state] = child;
          else this.#others[this.#placeOf(state, char)] = child;
        }
        state = child;
      }
      this.#found[state] = text.length;
    }
    // Shorter states first: longer ones are made of them.
    const order = sortedBy(this.#depth.subarray(0, states));
    for (let at = 1; at < states; at++) {
      const state = order[at] ?? 0;
      const parent = this.#parent[state] ?? 0;
      const shorter = parent === 0 ? 0 : this.next(this.#shorter[parent] ?? 0, this.#char[state] ?? 0);
      this.#shorter[state] = shorter;
      this.#found[state] ||= this.#found[shorter] ?? 0;
    }
  }

  /** The state behind one more character. */
  next(from: number, char: number): number {
    for (let state = from; ; state = this.#shorter[state] ?? 0) {
      const child = this.#longer(state, char);
      if (child !== 0 || state === 0) return child;
    }
  }

  /** Length of the longest text that ends in a state, or 0. */
  found(state: number): number {
    return this.#found[state] ?? 0;
  }

  /** How much of what was read may be the beginning of a text. */
  depth(state: number): number {
    return this.#depth[state] ?? 0;
  }

  #longer(state: number, char: number): number {
    const first = this.#first[state] ?? 0;
    if (first === 0 || this.#char[first] === char) return first;
    return this.#others[this.#placeOf(state, char)] ?? 0;
  }

  /** Where in the table a state is, or would be. */
  #placeOf(parent: number, char: number): number {
    const mask = this.#others.length - 1;
    let hash = Math.imul(parent, 0x9e37_79b1) ^ Math.imul(char, 0x85eb_ca6b);
    hash = Math.imul(hash ^ (hash >>> 16), 0x7feb_352d);
    for (let place = (hash ^ (hash >>> 15)) & mask; ; place = (place + 1) & mask) {
      const state = this.#others[place] ?? 0;
      if (state === 0 || (this.#parent[state] === parent && this.#char[state] === char)) return place;
    }
  }
}

/** Places of numbers, the smallest number first. Counts them, which is faster than comparing millions. */
function sortedBy(numbers: Int32Array): Int32Array {
  let most = 0;
  for (const one of numbers) most = Math.max(most, one);
  const next = new Int32Array(most + 2);
  for (const one of numbers) next[one + 1] = (next[one + 1] ?? 0) + 1;
  for (let at = 1; at < next.length; at++) next[at] = (next[at] ?? 0) + (next[at - 1] ?? 0);
  const order = new Int32Array(numbers.length);
  for (let at = 0; at < numbers.length; at++) {
    const one = numbers[at] ?? 0;
    const place = next[one] ?? 0;
    order[place] = at;
    next[one] = place + 1;
  }
  return order;
}
