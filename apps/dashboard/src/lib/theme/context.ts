import { createContext } from "svelte";
import type { Theme } from "./theme.svelte.ts";

/** Given by the outermost layout. */
export const [useTheme, provideTheme] = createContext<Theme>();
