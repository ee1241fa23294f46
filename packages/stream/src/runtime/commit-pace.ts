/**
 * When the next commit may begin. After quiet it may at once, so that a lone record is answered in milliseconds;
 * the more records come, the longer they are gathered, up to `intervalMs`, since every transaction costs some ten
 * requests. A full batch does not ask.
 */
export class CommitPace {
  private readonly intervalMs: number;
  private readonly pauseMs: number;
  private recordsPerS = 0;
  private lastStartMs = Number.NEGATIVE_INFINITY;
  private lastTookMs = 0;

  /**
   * `pauseMs`: between two commits at least, for a processor whose records nobody waits for. Where commits are slow, since
   * the machine is busy, longer: they take a share of the time that others need.
   */
  constructor(intervalMs: number, pauseMs = 0) {
    this.intervalMs = intervalMs;
    this.pauseMs = pauseMs;
  }

  /** Earliest start of the next commit. */
  notBeforeMs(nowMs: number): number {
    // A clock that was set back: what it said before is no time to wait for.
    this.lastStartMs = Math.min(this.lastStartMs, nowMs);
    const gatheredMs = Math.min(this.intervalMs, this.recordsPerS / RECORDS_PER_S_PER_MS);
    const sharedMs = Math.min(this.lastTookMs / PAUSED_SHARE_MAX, PAUSE_MAX_MS);
    const pauseMs = this.pauseMs === 0 ? 0 : Math.max(this.pauseMs, sharedMs);
    return this.lastStartMs + Math.max(pauseMs, gatheredMs);
  }

  started(nowMs: number, records: number): void {
    const elapsedMs = Math.max(1, nowMs - this.lastStartMs);
    const perS = (records * 1_000) / elapsedMs;
    this.recordsPerS += (perS - this.recordsPerS) * SMOOTHING;
    this.lastStartMs = nowMs;
  }

  /** The commit that was started last has ended. */
  ended(nowMs: number): void {
    this.lastTookMs = nowMs - this.lastStartMs;
  }
}

/** 100 records/s of a task are gathered for 10 ms, 500/s for 50 ms: at most 100 commits a second, below 10 % of a core. */
const RECORDS_PER_S_PER_MS = 10;
const SMOOTHING = 0.3;
/** Of the time for which a commit is under way; source: docs/decisions/0005. */
const PAUSED_SHARE_MAX = 1 / 20;
/** A broker that once answered late is not waited for by what comes after. */
const PAUSE_MAX_MS = 2_000;
