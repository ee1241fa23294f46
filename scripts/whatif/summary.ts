import type { Counts } from "./comparison.ts";
import type { QualityReport, Report } from "./report.ts";

const percent = (share: number | null): string =>
  share === null ? "-" : `${(share * 100).toFixed(1)} %`;

const line = (name: string, { current, candidate, gained, lost, changed }: Counts): string =>
  `${name.padEnd(24)}${[current, candidate, gained, lost, changed]
    .map((count) => String(count).padStart(11))
    .join("")}`;

const quality = (name: string, own: QualityReport): string =>
  `${name.padEnd(24)}precision ${percent(own.precision)}, recall ${percent(own.recall)}: ` +
  `${own.true_positives} true, ${own.false_positives} false, ${own.unlabelled} not judged`;

/** The difference in a few lines, for the terminal. */
export function summaryOf(report: Report): string {
  const heads = ["current", "candidate", "gained", "lost", "changed"];
  const { labels } = report;
  return [
    `${" ".repeat(24)}${heads.map((head) => head.padStart(11)).join("")}`,
    line("alarms", report.alarms),
    ...report.by_rule.map(({ name, ...counts }) => line(`  ${name}`, counts)),
    line("sessions revoked", report.revoked_sessions),
    `${report.events} events, ${report.users} users, ${report.users_affected} of them affected`,
    `${labels.judged_true + labels.judged_false} alarms judged, ${labels.judged_true} of them true`,
    quality("  current", labels.current),
    quality("  candidate", labels.candidate),
  ].join("\n");
}
