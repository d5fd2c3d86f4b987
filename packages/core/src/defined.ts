/** `T` without the members that are undefined: such a member is absent, not present with the value undefined. */
export type Defined<T> = {
  [K in keyof T as undefined extends T[K] ? never : K]: T[K];
} & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/**
 * Leaves out the members whose value is undefined. For types with optional members, which under `exactOptionalPropertyTypes`
 * are absent or have a value: `{ id, ...defined({ name, cwd }) }`.
 */
export function defined<T extends object>(members: T): Defined<T>;
export function defined(members: object): object {
  return Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined));
}
