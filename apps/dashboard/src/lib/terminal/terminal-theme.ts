import type { ITheme } from "@xterm/xterm";

const light: ITheme = {
  background: "#ffffff",
  foreground: "#16201c",
  cursor: "#0b7a5b",
  cursorAccent: "#ffffff",
  selectionBackground: "#b9e3d4",
  black: "#16201c",
  red: "#b3261e",
  green: "#0b6b4f",
  yellow: "#7a4d00",
  blue: "#1f55a8",
  magenta: "#8a2f86",
  cyan: "#0b6670",
  white: "#56625d",
  brightBlack: "#4a5550",
  brightRed: "#c9372c",
  brightGreen: "#0b7a5b",
  brightYellow: "#855300",
  brightBlue: "#2a66c4",
  brightMagenta: "#a13a9c",
  brightCyan: "#0d7682",
  brightWhite: "#2b3632",
};
const dark: ITheme = {
  background: "#0a0e0d",
  foreground: "#e6ece9",
  cursor: "#35c495",
  cursorAccent: "#0a0e0d",
  selectionBackground: "#1f5a47",
  black: "#1b2320",
  red: "#ff8a80",
  green: "#4fd1a5",
  yellow: "#f0b454",
  blue: "#82b1ff",
  magenta: "#e19ad9",
  cyan: "#6fd3dd",
  white: "#cfd8d4",
  brightBlack: "#84918b",
  brightRed: "#ffaba4",
  brightGreen: "#7be0bd",
  brightYellow: "#f6cd8a",
  brightBlue: "#a9c9ff",
  brightMagenta: "#eec0e9",
  brightCyan: "#9ce4ec",
  brightWhite: "#ffffff",
};

export function terminalTheme(isDark: boolean): ITheme {
  return isDark ? dark : light;
}
