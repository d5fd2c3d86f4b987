/** What a person chose, or that of their system. */
export type ThemeChoice = "system" | "light" | "dark";

const KEY = "wrenn-theme";
const isDarkSystem = (): MediaQueryList => matchMedia("(prefers-color-scheme: dark)");

/** Light or dark. The choice outlives the page; app.html applies it before the first paint. */
export class Theme {
  choice = $state<ThemeChoice>(readChoice());
  #systemIsDark = $state(isDarkSystem().matches);

  get isDark(): boolean {
    return this.choice === "dark" || (this.choice === "system" && this.#systemIsDark);
  }

  /** Keeps the document as chosen. @returns what ends it. */
  attach(): () => void {
    const system = isDarkSystem();
    const onChange = ({ matches }: MediaQueryListEvent): void => {
      this.#systemIsDark = matches;
    };
    system.addEventListener("change", onChange);
    const stop = $effect.root(() => {
      $effect(() => {
        document.documentElement.dataset["theme"] = this.isDark ? "dark" : "light";
      });
    });
    return () => {
      stop();
      system.removeEventListener("change", onChange);
    };
  }

  choose(choice: ThemeChoice): void {
    this.choice = choice;
    try {
      localStorage.setItem(KEY, choice);
    } catch {
      // A browser without storage: the choice ends with the page.
    }
  }
}

function readChoice(): ThemeChoice {
  try {
    const kept = localStorage.getItem(KEY);
    return kept === "light" || kept === "dark" ? kept : "system";
  } catch {
    return "system";
  }
}
