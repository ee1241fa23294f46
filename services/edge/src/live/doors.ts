import { VigError } from "@vigie/core/errors";

export interface LiveLimits {
  /** Connections of this edge. */
  readonly connectionsMax: number;
  /** Connections of one caller. */
  readonly perCallerMax: number;
  /** What waits for a client that reads slowly. */
  readonly bufferMaxBytes: number;
}

/** Who has not said who they are yet holds a place for seconds only, but needs no token for it. */
const WAITING_SHARE = 10;

/** Counts connections. */
export class Doors {
  readonly #limits: LiveLimits;
  readonly #seated = new Map<string, number>();
  #entered = 0;
  #sitting = 0;

  constructor(limits: LiveLimits) {
    this.#limits = limits;
  }

  /** Whether one more may come; of those who wait for their token a tenth of all at most. */
  get isFull(): boolean {
    const { connectionsMax } = this.#limits;
    const waitingMax = Math.max(1, Math.floor(connectionsMax / WAITING_SHARE));
    return this.#entered >= connectionsMax || this.#entered - this.#sitting >= waitingMax;
  }

  /** Returns: how to leave. */
  enter(): () => void {
    this.#entered += 1;
    return () => {
      this.#entered -= 1;
    };
  }

  /** Returns: how to get up. Throws: VIG_STREAMS_TOO_MANY. */
  sit(caller: string): () => void {
    const seated = this.#seated.get(caller) ?? 0;
    const limit = this.#limits.perCallerMax;
    if (seated >= limit) throw new VigError("VIG_STREAMS_TOO_MANY", { limit });
    this.#seated.set(caller, seated + 1);
    this.#sitting += 1;
    return () => {
      this.#sitting -= 1;
      const rest = (this.#seated.get(caller) ?? 0) - 1;
      if (rest > 0) this.#seated.set(caller, rest);
      else this.#seated.delete(caller);
    };
  }
}
