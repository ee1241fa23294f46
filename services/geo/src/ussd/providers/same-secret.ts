import { hash, timingSafeEqual } from "node:crypto";

/** Whether two texts are equal, in a time that tells nothing of either, nor of how long the expected one is. */
export const sameText = (given: string, expected: string): boolean =>
  timingSafeEqual(hash("sha256", given, "buffer"), hash("sha256", expected, "buffer"));

/** Whether it is one of them; all are compared. */
export const isOneOf = (given: string, expected: readonly string[]): boolean =>
  expected.reduce((found, each) => sameText(given, each) || found, false);
