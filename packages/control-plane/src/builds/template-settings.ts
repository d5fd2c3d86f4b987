import { defined } from "@wrenn/core";
import type { TemplateSettings } from "@wrenn/database";
import type { ImageConfig } from "@wrenn/recipe";

/** What is kept with a template of the settings that its build has found. */
export function settingsOf({ stopSignal, exposedPorts, labels }: ImageConfig): TemplateSettings {
  return {
    ...defined({ stopSignal }),
    ...(exposedPorts.length > 0 && { exposedPorts }),
    ...(Object.keys(labels).length > 0 && { labels }),
  };
}

/** What a build that starts from a template begins with. @param env - what its processes have, as far as it is known. */
export function inheritedConfig(
  settings: TemplateSettings | undefined,
  env: Readonly<Record<string, string>>,
): Partial<ImageConfig> {
  return { env, ...settings };
}
