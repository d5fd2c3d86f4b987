/** Distances between lines of a grid whose values are bytes: powers of two are the round ones. */
export const byteSteps: readonly number[] = Array.from({ length: 50 }, (_, power) => 2 ** power);

/** Those of percentages. */
export const percentSteps: readonly number[] = [1, 2, 5, 10, 25, 50, 100];

/** Those of times that are written with their minutes, in seconds. */
export const timeSteps: readonly number[] = [1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720].map(
  (minutes) => minutes * 60,
);
