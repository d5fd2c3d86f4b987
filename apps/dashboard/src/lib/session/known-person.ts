const KEY = "wrenn-person";

/** Id of the person who logged in with this browser last, which is no secret. Pages of other origins cannot change it, but cookies. */
export const knownPerson = {
  get(): string | undefined {
    try {
      return localStorage.getItem(KEY) ?? undefined;
    } catch {
      return undefined;
    }
  },
  set(userId: string | undefined): void {
    try {
      if (userId === undefined) localStorage.removeItem(KEY);
      else localStorage.setItem(KEY, userId);
    } catch {
      // A browser without storage: what is known ends with the page.
    }
  },
};
