/** What a connection is upgraded to when it becomes one to a port of a capsule. */
export const DIAL_PROTOCOL = "wrenn-dial";
