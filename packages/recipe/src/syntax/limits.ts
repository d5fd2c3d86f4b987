/** Characters (UTF-16 units) of a recipe. */
export const MAX_RECIPE_LENGTH = 1024 * 1024;
export const MAX_INSTRUCTIONS = 1000;
/** Problems that are reported of one recipe. */
export const MAX_PROBLEMS = 20;
/** Characters of a value after expansion: Linux passes no longer one to a program. */
export const MAX_VALUE_LENGTH = 128 * 1024;
/** Characters of all variables of a step. */
export const MAX_ENVIRONMENT_LENGTH = 1024 * 1024;
/** Words of an instruction that is no command. */
export const MAX_WORDS = 4096;
/** How deep `${A:-${B:-…}}` may be nested. */
export const MAX_NESTING = 32;
