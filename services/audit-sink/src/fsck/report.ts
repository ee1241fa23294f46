import type { Finding, FindingKind } from "./log-source.ts";

/** What was looked at. */
export interface Checked {
  leaves: number;
  tiles: number;
  /** Roots that somebody vouched for, and that were compared. */
  claims: number;
}

/** What a run has looked at and found. */
export class Report {
  readonly checked: Checked = { leaves: 0, tiles: 0, claims: 0 };
  readonly counts: Record<FindingKind, number> = { tampered: 0, unreadable: 0, incomplete: 0 };
  private readonly onFinding: (finding: Finding) => void;

  constructor(onFinding: (finding: Finding) => void) {
    this.onFinding = onFinding;
  }

  add(...findings: readonly Finding[]): void {
    for (const finding of findings) {
      this.counts[finding.kind] += 1;
      this.onFinding(finding);
    }
  }

  tampered = (where: string, why: string): void => this.add({ kind: "tampered", where, why });
  incomplete = (where: string, why: string): void => this.add({ kind: "incomplete", where, why });
}
