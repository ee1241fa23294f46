const EVERY_MS = 2_000;

/** Passes on what is told it, once in 2 s at most. */
export function everySoOften<A extends unknown[]>(
  tell: (...args: A) => void,
): (...args: A) => void {
  let toldMs = performance.now();
  return (...args) => {
    if (performance.now() - toldMs < EVERY_MS) return;
    toldMs = performance.now();
    tell(...args);
  };
}
