/** By what a test works with the database itself: its imports, and transactions of its making. */
const USES = /from "(?:kysely|pg|@wrenn\/database(?:\/testing)?|\.\/support\/fault-lab\.ts)"|\.transaction\(/;
/** Said by others whose requests meet in transactions, or whose news go through the database's notifications. */
const MARK = "/* On both databases: ";

/**
 * Which tests of the control plane depend on the database. All of them run on a PostgreSQL of the distribution, which is the
 * oldest version that is supported; these run on the embedded one as well.
 */
export function worksWithDatabase(path: string, text: string): boolean {
  return path.endsWith("-races.test.ts") || USES.test(text) || text.includes(MARK);
}
