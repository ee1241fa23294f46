import { PRECISION_MAX, type Precision, precisionOf } from "@vigie/detector/state/precision";
import type { GeoPrefs } from "@vigie/schemas/types";

interface Consent {
  readonly fromMs: number;
  readonly precision: Precision;
}

/** What people consented to and when, as far as their topic still tells. */
export class ConsentTimes {
  /** By tenant and user, in the order of their times. */
  private readonly consents = new Map<string, Consent[]>();

  /** In the order of the topic; null: no longer anything. */
  take(key: string, prefs: GeoPrefs | null, fromMs: number): void {
    const precision = precisionOf(prefs);
    const before = this.consents.get(key);
    if (before !== undefined) before.push({ fromMs, precision });
    else if (precision !== PRECISION_MAX) this.consents.set(key, [{ fromMs, precision }]);
  }

  /**
   * What counted then. Of the time before the oldest that is known, that one counts: what was said before it may have
   * been compacted, and a file is to hold nothing finer than its person wanted.
   */
  at(key: string, atMs: number): Precision {
    const consents = this.consents.get(key);
    if (consents === undefined) return PRECISION_MAX;
    const inForce = consents.findLast(({ fromMs }) => fromMs <= atMs) ?? consents[0];
    return inForce?.precision ?? PRECISION_MAX;
  }
}
