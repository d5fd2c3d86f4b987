import { createContext } from "svelte";
import type { Session } from "./session.svelte.ts";

/** The login of this browser, given by the outermost layout. */
export const [useSession, provideSession] = createContext<Session>();
