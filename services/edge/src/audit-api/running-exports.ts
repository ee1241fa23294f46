import { VigError } from "@vigie/core/errors";

export interface ExportLimits {
  /** Exports of this edge at a time. */
  readonly runningMax: number;
  /** A reader that takes nothing for so long is cut off. */
  readonly stallMs: number;
}

/** Exports that are under way: one a caller, so that nobody keeps the tables busy alone. */
export class RunningExports {
  readonly #runningMax: number;
  readonly #callers = new Map<string, AbortController>();
  #isOver = false;

  constructor(runningMax: number) {
    this.#runningMax = runningMax;
  }

  /** Returns: what breaks it off. Whoever begins one ends it. Throws: VIG_EXPORTS_TOO_MANY. */
  begin(caller: string): AbortController {
    const isOwn = this.#callers.has(caller);
    if (isOwn || this.#callers.size >= this.#runningMax) {
      const where = isOwn ? "for this caller" : "at this edge";
      throw new VigError("VIG_EXPORTS_TOO_MANY", { where });
    }
    const broken = new AbortController();
    if (this.#isOver) broken.abort();
    this.#callers.set(caller, broken);
    return broken;
  }

  end(caller: string): void {
    this.#callers.delete(caller);
  }

  /** Breaks off all that run, and those that still come: they end without their end line. */
  breakOff(): void {
    this.#isOver = true;
    for (const broken of this.#callers.values()) broken.abort();
  }
}

/** The same pieces; `giveUp` is called when one of them is not asked on from for `stallMs`. */
export async function* unlessStalled(
  pieces: AsyncIterable<string>,
  stallMs: number,
  giveUp: () => void,
): AsyncGenerator<string> {
  for await (const piece of pieces) {
    const timer = setTimeout(giveUp, stallMs);
    try {
      yield piece;
    } finally {
      clearTimeout(timer);
    }
  }
}
