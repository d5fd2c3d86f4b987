import { FitAddon } from "@xterm/addon-fit";
import { SearchAddon } from "@xterm/addon-search";
import { Unicode11Addon } from "@xterm/addon-unicode11";
import { WebLinksAddon } from "@xterm/addon-web-links";
import { Terminal } from "@xterm/xterm";
import type { IDisposable } from "@xterm/xterm";
import { clipboardText } from "./clipboard-write.ts";
import { isComposed, takeComposedInput } from "./composed-input.ts";
import { withoutPasteEnd } from "./pasted-text.ts";
import { openableAddress, safeTitle } from "./safe-text.ts";
import { handleKey } from "./terminal-keys.ts";
import { swallowQueries } from "./terminal-queries.ts";
import { terminalTheme } from "./terminal-theme.ts";
import { TerminalWebgl } from "./terminal-webgl.ts";

const SCROLLBACK_LINES = 10_000;
const FONT = 'ui-monospace, "SF Mono", Menlo, Consolas, "DejaVu Sans Mono", monospace';
export interface ScreenSize {
  readonly cols: number;
  readonly rows: number;
}

export interface ScreenOptions {
  readonly isDark: boolean;
  /** Whether it shows what was printed before it was there, at first. */
  readonly isReplay: boolean;
  /** Whether questions of programs are answered here, outside of a replay: another screen of the same terminal may. */
  readonly answers: () => boolean;
  /** What was typed or pasted, and answers to questions of programs. */
  readonly onInput: (data: string) => void;
  readonly onTitle: (title: string) => void;
  /** A link was clicked: http or https, as it opens. */
  readonly onLink: (address: string) => void;
  /** A program asks to put text into the clipboard (OSC 52). */
  readonly onClipboardWrite: (text: string) => void;
  /** Someone copies what is selected. */
  readonly onCopy: (text: string) => void;
  /** Someone searches. */
  readonly onFind: () => void;
}

/** The screen of one terminal: an emulator that draws by WebGL while it is shown, and by elements where that fails. */
export class TerminalScreen {
  readonly #terminal: Terminal;
  readonly #fit = new FitAddon();
  readonly #search = new SearchAddon();
  readonly #webgl: TerminalWebgl;
  #composed: IDisposable | undefined;
  #isReplay: boolean;

  constructor(options: ScreenOptions) {
    const { isDark, answers, onInput, onTitle, onLink, onClipboardWrite } = options;
    this.#isReplay = options.isReplay;
    const activate = (_event: MouseEvent, text: string): void => {
      const address = openableAddress(text);
      if (address !== undefined) onLink(address);
    };
    const terminal = new Terminal({
      allowProposedApi: true,
      cursorBlink: true,
      fontFamily: FONT,
      fontSize: 13,
      linkHandler: { activate, allowNonHttpProtocols: false },
      macOptionIsMeta: true,
      minimumContrastRatio: 4.5,
      rescaleOverlappingGlyphs: true,
      scrollback: SCROLLBACK_LINES,
      theme: terminalTheme(isDark),
    });
    this.#terminal = terminal;
    this.#webgl = new TerminalWebgl(terminal);
    terminal.loadAddon(this.#fit);
    terminal.loadAddon(this.#search);
    terminal.loadAddon(new Unicode11Addon());
    terminal.unicode.activeVersion = "11";
    terminal.loadAddon(new WebLinksAddon(activate));
    swallowQueries(terminal, () => this.#isReplay || !answers());
    terminal.parser.registerOscHandler(52, (text) => {
      // Programs may not read the clipboard: a question gets no answer.
      const written = this.#isReplay ? undefined : clipboardText(text);
      if (written !== undefined) onClipboardWrite(written);
      return true;
    });
    const keyActions = {
      selection: () => terminal.getSelection(),
      copy: options.onCopy,
      clearSelection: () => terminal.clearSelection(),
      find: options.onFind,
    };
    terminal.attachCustomKeyEventHandler((event) => !isComposed(event) && handleKey(event, keyActions));
    terminal.onData((data) => {
      // The program may have ended that asked for reports in the replay.
      if (!this.#isReplay || !isReport(data)) onInput(data);
    });
    // Mouse reports in the old encoding: bytes, not text.
    terminal.onBinary((data) => {
      if (!this.#isReplay) onInput(data);
    });
    terminal.onTitleChange((title) => onTitle(safeTitle(title)));
  }

  get size(): ScreenSize {
    return { cols: this.#terminal.cols, rows: this.#terminal.rows };
  }

  /** Draws into an element. */
  open(element: HTMLElement): void {
    this.#terminal.open(element);
    // The emulator's own way leaves the pasted text in a field of the page, and does not look for the end of a paste in it.
    this.#composed = takeComposedInput(this.#terminal);
    element.addEventListener("paste", (event) => this.#takePaste(event), { capture: true });
  }

  /** Shown screens draw by WebGL; hidden ones give their context back. */
  show(isShown: boolean): void {
    if (isShown) this.#webgl.start();
    else this.#webgl.stop();
  }

  /** The size that its element has room for; undefined before there is a font to measure. */
  get room(): ScreenSize | undefined {
    return this.#fit.proposeDimensions();
  }

  /** Takes a size once what was written before is on the screen. */
  async resize({ cols, rows }: ScreenSize): Promise<void> {
    await this.write("");
    this.#terminal.resize(cols, rows);
  }

  /** Resolves when the bytes are on the screen. */
  async write(bytes: Uint8Array | string): Promise<void> {
    await new Promise<void>((resolve) => this.#terminal.write(bytes, resolve));
  }

  /** Is empty again, and shows what was printed before. */
  beginReplay(): void {
    this.#isReplay = true;
    this.#terminal.reset();
  }

  /** What is written from here on is printed now: what it asks for is answered. */
  endReplay(): void {
    this.#terminal.write("", () => (this.#isReplay = false));
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
    this.#terminal.paste(this.#terminal.modes.bracketedPasteMode ? withoutPasteEnd(text) : text);
  }

  /** Sends keys that the browser keeps for itself, or that a phone does not have. */
  press(keys: string): void {
    this.#terminal.input(keys, true);
    this.focus();
  }

  /** An arrow, in the notation that the program has chosen (DECCKM). */
  pressArrow(letter: "A" | "B" | "C" | "D"): void {
    this.press(`\u001b${this.#terminal.modes.applicationCursorKeysMode ? "O" : "["}${letter}`);
  }

  focus(): void {
    this.#terminal.focus();
  }

  dispose(): void {
    this.#webgl.stop();
    this.#composed?.dispose();
    this.#terminal.dispose();
  }

  #takePaste(event: ClipboardEvent): void {
    event.preventDefault();
    event.stopPropagation();
    this.paste(event.clipboardData?.getData("text/plain") ?? "");
  }
}

/** Reports of focus and mouse: nobody pressed a key for them. */
function isReport(data: string): boolean {
  return (
    data === "\u001b[I" || data === "\u001b[O" || data.startsWith("\u001b[<") || data.startsWith("\u001b[M")
  );
}
