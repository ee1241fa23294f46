/** For what will never come: what does come may take this long where other tests have the cores and the disk. */
const DEADLINE_MS = 45_000;
const POLL_MS = 1;

/** Waits until `holds`, looking between rounds of the event loop. Throws: after the deadline, with `what`. */
export async function until(
  what: string,
  holds: () => boolean | Promise<boolean>,
  deadlineMs = DEADLINE_MS,
): Promise<void> {
  const endMs = performance.now() + deadlineMs;
  while (!(await holds())) {
    if (performance.now() > endMs) throw new Error(`not within ${deadlineMs} ms: ${what}`);
    await new Promise((resolve) => {
      setTimeout(resolve, POLL_MS);
    });
  }
}
