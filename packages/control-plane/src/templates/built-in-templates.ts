/**
 * Names of the templates that every host makes itself (images/). They are the platform's: no host adds to them or takes one away by
 * what it says that it has.
 */
export const builtInTemplates: ReadonlySet<string> = new Set(["minimal"]);
