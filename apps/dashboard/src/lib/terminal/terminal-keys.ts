/** Keys of the page inside of a terminal. */
export interface KeyActions {
  /** @returns what is selected; empty for nothing. */
  readonly selection: () => string;
  readonly copy: (text: string) => void;
  readonly clearSelection: () => void;
  readonly find: () => void;
}

export type KeySystem = "mac" | "windows" | "other";

/** Which habits the person at this browser has. */
export function keySystem(): KeySystem {
  const { platform } = navigator;
  if (/^(?:Mac|iPhone|iPad)/.test(platform)) return "mac";
  return platform.startsWith("Win") ? "windows" : "other";
}

/** Keys that browsers keep for themselves, whatever a page does, and what programs get for them. */
export function reservedKeys(): readonly { readonly label: string; readonly keys: string }[] {
  return [
    { label: "Ctrl-W", keys: "\u0017" },
    { label: "Ctrl-T", keys: "\u0014" },
    { label: "Ctrl-N", keys: "\u000e" },
    // On Windows this key pastes.
    ...(keySystem() === "windows" ? [{ label: "Ctrl-V", keys: "\u0016" }] : []),
    { label: "Alt-F4", keys: "\u001b[1;3S" },
    { label: "F11", keys: "\u001b[23~" },
  ];
}

/** @returns whether the program gets the key. Browsers paste by themselves where the key is left to them. */
export function handleKey(event: KeyboardEvent, actions: KeyActions): boolean {
  if (event.type !== "keydown" || event.altKey) return true;
  const does = actionOf(event, keySystem());
  if (does === undefined) return true;
  if (does === "paste") return false;
  if (does === "find") actions.find();
  else {
    const text = actions.selection();
    // Ctrl-C interrupts where nothing is selected.
    if (text === "" && does === "copy-selected") return true;
    if (text !== "") actions.copy(text);
    // The next Ctrl-C interrupts.
    if (does === "copy-selected") actions.clearSelection();
  }
  event.preventDefault();
  return false;
}

type KeyAction = "copy" | "copy-selected" | "paste" | "find";

function actionOf(
  { code, ctrlKey, metaKey, shiftKey }: KeyboardEvent,
  system: KeySystem,
): KeyAction | undefined {
  const isCommand = system === "mac" ? metaKey || (ctrlKey && shiftKey) : ctrlKey && shiftKey;
  if (isCommand) return ({ KeyC: "copy", KeyV: "paste", KeyF: "find" } as const)[code];
  if (code === "Insert" && ctrlKey !== shiftKey) return ctrlKey ? "copy" : "paste";
  if (system !== "windows" || !ctrlKey) return undefined;
  return ({ KeyC: "copy-selected", KeyV: "paste" } as const)[code];
}
