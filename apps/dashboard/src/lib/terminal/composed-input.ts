import type { IDisposable, Terminal } from "@xterm/xterm";

/** What a browser does to the field by itself, and what a program gets for it; everything else is keys of the emulator. */
const EDITS: Readonly<Record<string, string>> = {
  deleteContentBackward: "\u007f",
  insertLineBreak: "\r",
  insertParagraph: "\r",
};
/** Of keys that an input method has taken. */
const PROCESSED_KEY = 229;

/** Whether a key belongs to an input method: its text comes by {@link takeComposedInput}. */
export function isComposed(event: KeyboardEvent): boolean {
  return event.isComposing || event.keyCode === PROCESSED_KEY;
}

/**
 * Text of input methods, of keyboards on screens, of emoji pickers and of dictation, each once. The emulator guesses it from what is in
 * its field some time after the event: on a busy page, keys that follow quickly overtake it or make it repeat. Here it is what the
 * browser reports as the end of a composition.
 */
export function takeComposedInput(terminal: Terminal): IDisposable {
  const { element, textarea } = terminal;
  if (!element || !textarea) throw new Error("the terminal is not open");
  const view = new CompositionView(terminal, textarea);
  let isComposing = false;
  const take = (event: Event): void => {
    // The emulator's own handlers are on the field, which is below.
    event.stopPropagation();
    if (event instanceof CompositionEvent) {
      isComposing = event.type !== "compositionend";
      view.show(isComposing ? event.data : "");
      if (!isComposing && event.data !== "") terminal.input(event.data, true);
    } else if (event instanceof InputEvent && !event.isComposing) {
      const text = event.inputType === "insertText" ? event.data : EDITS[event.inputType];
      if (text) terminal.input(text, true);
    }
    // Not in the middle of an event that is about it. Phones send keys in place of edits where there is nothing to edit.
    if (!isComposing) setTimeout(() => (isComposing ? undefined : (textarea.value = "")));
  };
  // The emulator sends these from here; the browser would put them into the field as well.
  const onKeyPress = (event: Event): void => event.preventDefault();
  element.addEventListener("keypress", onKeyPress, { capture: true });
  const names = ["compositionstart", "compositionupdate", "compositionend", "input"] as const;
  for (const name of names) element.addEventListener(name, take, { capture: true });
  const rendering = terminal.onRender(() => view.place());
  return {
    dispose: () => {
      for (const name of names) element.removeEventListener(name, take, { capture: true });
      element.removeEventListener("keypress", onKeyPress, { capture: true });
      rendering.dispose();
      view.dispose();
    },
  };
}

/** What is being composed, at the cursor. */
class CompositionView {
  readonly #view: HTMLElement;
  readonly #field: HTMLElement;

  constructor(terminal: Terminal, field: HTMLElement) {
    this.#field = field;
    this.#view = document.createElement("div");
    // A style of the emulator.
    this.#view.className = "composition-view";
    this.#view.style.fontFamily = terminal.options.fontFamily ?? "";
    this.#view.style.fontSize = `${terminal.options.fontSize}px`;
    field.after(this.#view);
  }

  show(text: string): void {
    this.#view.textContent = text;
    this.#view.classList.toggle("active", text !== "");
    this.place();
  }

  /** The emulator keeps its field at the cursor: input methods open their windows there. */
  place(): void {
    if (this.#view.textContent === "") return;
    const { left, top, lineHeight } = this.#field.style;
    Object.assign(this.#view.style, { left, top, lineHeight });
  }

  dispose(): void {
    this.#view.remove();
  }
}
