import { assert } from "@vigie/core/assert";
import { STATE_BYTES_MAX } from "@vigie/detector/state/user-state";

/** States take steps of this many bytes; most of them grow and change place a few times in their life. */
const STEP_BYTES = 64;
const PAGE_BYTES = 1_048_576;
const STEPS_A_PAGE = PAGE_BYTES / STEP_BYTES;
const CLASSES = Math.ceil(STATE_BYTES_MAX / STEP_BYTES) + 1;

/**
 * The states of many users in few large pieces of memory: a million of them are a million small objects less for the
 * garbage collector. A place that is given up is given to the next state of its size.
 */
export class StateArena {
  private readonly pages: Buffer[] = [];
  private readonly free: number[][] = Array.from({ length: CLASSES }, () => []);
  private used = STEPS_A_PAGE;

  /** Bytes that the pages take. */
  get size(): number {
    return this.pages.length * PAGE_BYTES;
  }

  /** A view on a state: good until it is put anew. */
  get(place: number, length: number): Buffer {
    const at = atOf(place);
    return this.pageOf(place).subarray(at, at + length);
  }

  /** Puts a state in place of one of `oldLength` bytes at `old`, or anew when that is 0. Returns: its place. */
  put(bytes: Uint8Array, old: number, oldLength: number): number {
    assert(bytes.length <= STATE_BYTES_MAX, "a state is within its limit");
    const steps = Math.ceil(bytes.length / STEP_BYTES);
    const oldSteps = Math.ceil(oldLength / STEP_BYTES);
    let place = old;
    if (steps !== oldSteps) {
      if (oldSteps > 0) this.free[oldSteps]?.push(old);
      place = this.take(steps);
    }
    this.pageOf(place).set(bytes, atOf(place));
    return place;
  }

  private pageOf(place: number): Buffer {
    return this.pages[Math.floor(place / STEPS_A_PAGE)] as Buffer;
  }

  private take(steps: number): number {
    const again = this.free[steps]?.pop();
    if (again !== undefined) return again;
    if (this.used + steps > STEPS_A_PAGE) {
      this.pages.push(Buffer.allocUnsafeSlow(PAGE_BYTES));
      this.used = 0;
    }
    const place = (this.pages.length - 1) * STEPS_A_PAGE + this.used;
    this.used += steps;
    return place;
  }
}

/** Within its page. */
const atOf = (place: number): number => (place % STEPS_A_PAGE) * STEP_BYTES;
