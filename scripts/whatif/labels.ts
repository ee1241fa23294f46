import type { SessionAnomaly } from "@vigie/schemas/types";

/** A published alarm that somebody judged. */
export interface Judged {
  readonly kind: string;
  /** Pseudonym. */
  readonly user: string;
  readonly causes: readonly string[];
  readonly isTrue: boolean;
}

/**
 * The verdicts of people, by alarm. An alarm of a replay is the judged one when kind and user are the same and one's
 * causes are among the other's: another limit makes the same attack an alarm of fewer or more events.
 */
export class Verdicts {
  readonly trueCount: number;
  readonly falseCount: number;
  private readonly byUser = new Map<string, Judged[]>();

  constructor(judged: readonly Judged[]) {
    for (const one of judged) {
      const name = nameOf(one.kind, one.user);
      const known = this.byUser.get(name);
      if (known === undefined) this.byUser.set(name, [one]);
      else known.push(one);
    }
    this.trueCount = judged.filter(({ isTrue }) => isTrue).length;
    this.falseCount = judged.length - this.trueCount;
  }

  get isEmpty(): boolean {
    return this.byUser.size === 0;
  }

  /** Null: nobody judged it. */
  of({ kind, user_id, cause_event_ids }: SessionAnomaly): Judged | null {
    const known = this.byUser.get(nameOf(kind, user_id));
    return known?.find(({ causes }) => isSameMatter(causes, cause_event_ids)) ?? null;
  }
}

const nameOf = (kind: string, user: string): string => `${kind}|${user}`;

function isSameMatter(one: readonly string[], other: readonly string[]): boolean {
  const [fewer, more] = one.length <= other.length ? [one, other] : [other, one];
  return fewer.length > 0 && fewer.every((cause) => more.includes(cause));
}
