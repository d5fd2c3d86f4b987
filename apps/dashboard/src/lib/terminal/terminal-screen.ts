import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { WebglAddon } from "@xterm/addon-webgl";
import { Terminal } from "@xterm/xterm";
import { swallowQueries } from "./terminal-queries.ts";
import { terminalTheme } from "./terminal-theme.ts";

const SCROLLBACK_LINES = 10_000;
const FONT = 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';

export interface ScreenSize {
  readonly cols: number;
  readonly rows: number;
}

export interface ScreenOptions {
  readonly isDark: boolean;
  /** What was typed or pasted, and answers to questions of programs. */
  readonly onInput: (data: string) => void;
  readonly onTitle: (title: string) => void;
  /** A link was followed by a person who holds Ctrl or Cmd: http or https. */
  readonly onLink: (address: string) => void;
  /** A program wants to put text into the clipboard (OSC 52). */
  readonly onClipboardWrite: (text: string) => void;
  /** Someone wants to copy what is selected. */
  readonly onCopy: (text: string) => void;
  /** Someone wants to search. */
  readonly onFind: () => void;
}

/** The screen of one terminal: an emulator that draws by WebGL while it is shown, and by elements where that fails. */
export class TerminalScreen {
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #search = new SearchAddon();
  #webgl: WebglAddon | undefined;
  /** After a lost context elements draw for good: contexts are lost where there are too many. */
  #canUseWebgl = true;
  #isReplay = false;

  constructor(options: ScreenOptions) {
    const { isDark, onInput, onTitle, onLink, onClipboardWrite } = options;
    const link = { activate: (_event: MouseEvent, address: string) => openable(address) && onLink(address) };
    this.#terminal = new Terminal({
      allowProposedApi: true,
      cursorBlink: true,
      fontFamily: FONT,
      fontSize: 13,
      linkHandler: { ...link, allowNonHttpProtocols: false },
      macOptionIsMeta: true,
      minimumContrastRatio: 4.5,
      rescaleOverlappingGlyphs: true,
      scrollback: SCROLLBACK_LINES,
      theme: terminalTheme(isDark),
    });
    this.#terminal.loadAddon(this.#fit);
    this.#terminal.loadAddon(this.#search);
    this.#terminal.loadAddon(new Unicode11Addon());
    this.#terminal.unicode.activeVersion = "11";
    this.#terminal.loadAddon(new WebLinksAddon(link.activate));
    swallowQueries(this.#terminal, () => this.#isReplay);
    this.#terminal.parser.registerOscHandler(52, (text) => {
      // Programs may not read the clipboard: a question gets no answer.
      const written = this.#isReplay ? undefined : clipboardText(text);
      if (written !== undefined) onClipboardWrite(written);
      return true;
    });
    this.#terminal.attachCustomKeyEventHandler((event) => handleKey(event, this.#terminal, options));
    this.#terminal.onData(onInput);
    // Mouse reports in the old encoding: bytes, not text.
    this.#terminal.onBinary(onInput);
    this.#terminal.onTitleChange(onTitle);
  }

  get size(): ScreenSize {
    return { cols: this.#terminal.cols, rows: this.#terminal.rows };
  }

  /** Draws into an element, which is visible and has a size. */
  open(element: HTMLElement): void {
    if (this.#terminal.element) element.append(this.#terminal.element);
    else this.#terminal.open(element);
  }

  /** Shown screens draw by WebGL; hidden ones give their context back, since browsers have few. */
  show(isShown: boolean): void {
    if (!isShown) {
      this.#webgl?.dispose();
      this.#webgl = undefined;
      return;
    }
    if (this.#webgl || !this.#canUseWebgl) return;
    try {
      const webgl = new WebglAddon();
      webgl.onContextLoss(() => {
        this.#canUseWebgl = false;
        webgl.dispose();
        this.#webgl = undefined;
        this.#terminal.refresh(0, this.#terminal.rows - 1);
      });
      this.#terminal.loadAddon(webgl);
      this.#webgl = webgl;
    } catch {
      this.#canUseWebgl = false;
    }
  }

  /** Takes the size of its element. @returns the size, where it is another than before. */
  fit(): ScreenSize | undefined {
    const before = this.size;
    this.#fit.fit();
    return before.cols === this.#terminal.cols && before.rows === this.#terminal.rows ? undefined : this.size;
  }

  /**
   * Resolves when the bytes are on the screen.
   *
   * @param isReplay - they were printed before this screen was there: what they ask for is not answered.
   */
  async write(bytes: Uint8Array | string, isReplay = false): Promise<void> {
    await new Promise<void>((resolve) => {
      // An empty write marks where the replay begins and ends among what still waits.
      this.#terminal.write("", () => (this.#isReplay = isReplay));
      this.#terminal.write(bytes, resolve);
    });
  }

  setTheme(isDark: boolean): void {
    this.#terminal.options.theme = terminalTheme(isDark);
  }

  /** @returns whether there is such text. */
  find(text: string, direction: "next" | "previous"): boolean {
    return direction === "next" ? this.#search.findNext(text) : this.#search.findPrevious(text);
  }

  /** Puts text in as if it were typed: line ends become those of the Enter key, brackets are set where the program asked for them. */
  paste(text: string): void {
    this.#terminal.paste(text);
  }

  /** Sends keys that the browser keeps for itself, or that a phone does not have. */
  press(keys: string): void {
    this.#terminal.input(keys, true);
    this.focus();
  }

  /** An arrow, as the program wants it (DECCKM). */
  pressArrow(letter: "A" | "B" | "C" | "D"): void {
    this.press(`\u001b${this.#terminal.modes.applicationCursorKeysMode ? "O" : "["}${letter}`);
  }

  selection(): string {
    return this.#terminal.getSelection();
  }

  focus(): void {
    this.#terminal.focus();
  }

  dispose(): void {
    this.#webgl?.dispose();
    this.#terminal.dispose();
  }
}

/** Keys of the page itself; the others are the program's. @returns whether the terminal gets the key. */
function handleKey(event: KeyboardEvent, terminal: Terminal, { onCopy, onFind }: ScreenOptions): boolean {
  if (event.type !== "keydown" || !event.shiftKey || !(event.ctrlKey || event.metaKey)) return true;
  const perform = { KeyC: () => onCopy(terminal.getSelection()), KeyF: onFind }[event.code];
  if (perform === undefined) return true;
  event.preventDefault();
  perform();
  return false;
}

function openable(address: string): boolean {
  const protocol = URL.parse(address)?.protocol;
  return protocol === "http:" || protocol === "https:";
}

/** At most so much may be put into the clipboard. */
const CLIPBOARD_BYTES = 1 << 20;

/** The text of OSC 52 (`c;BASE64`); undefined for a question, and for what is too large or no text. */
function clipboardText(command: string): string | undefined {
  const data = command.slice(command.indexOf(";") + 1);
  if (data === "?" || data.length > (CLIPBOARD_BYTES * 4) / 3) return undefined;
  try {
    const bytes = Uint8Array.from(atob(data), (one) => one.charCodeAt(0));
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return undefined;
  }
}
