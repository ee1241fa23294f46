import type { Counts } from "./comparison.ts";
import type { QualityReport, Report } from "./report.ts";
import { type Language, words } from "./words.ts";

type Words = (typeof words)[Language];

const escapes: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
const escaped = (value: unknown): string =>
  String(value).replace(/[&<>"']/g, (sign) => escapes[sign] as string);

const cell = (value: unknown): string =>
  typeof value === "number" ? `<td class="n">${value}</td>` : `<td>${escaped(value)}</td>`;

function table(heads: readonly string[], rows: readonly (readonly unknown[])[]): string {
  const head = heads.map((name) => `<th scope="col">${escaped(name)}</th>`).join("");
  const body = rows.map((row) => `<tr>${row.map(cell).join("")}</tr>`).join("\n");
  return `<div class="wide"><table><thead><tr>${head}</tr></thead><tbody>\n${body}\n</tbody></table></div>`;
}

const section = (title: string, ...parts: readonly string[]): string =>
  `<section><h2>${escaped(title)}</h2>\n${parts.join("\n")}\n</section>`;

const countCells = ({ current, candidate, gained, lost, changed }: Counts): readonly number[] => [
  current,
  candidate,
  gained,
  lost,
  changed,
];

function counts(say: Words, what: string, rows: readonly ({ readonly name: string } & Counts)[]) {
  const heads = [what, say.current, say.candidate, say.gained, say.lost, say.changed];
  return table(
    heads,
    rows.map((row) => [row.name === "" ? say.unknown : row.name, ...countCells(row)]),
  );
}

const percent = (share: number | null, say: Words): string =>
  share === null ? say.none : `${say.number((share * 100).toFixed(1))} %`;

const qualityCells = (own: QualityReport, say: Words): readonly unknown[] => [
  percent(own.precision, say),
  percent(own.recall, say),
  own.true_positives,
  own.false_positives,
  own.unlabelled,
];

function labels({ labels: own }: Report, say: Words): string {
  const heads = [
    say.rule,
    say.policy,
    say.precision,
    say.recall,
    say.trueAlarms,
    say.falseAlarms,
    say.unlabelled,
  ];
  const all = { name: say.all, current: own.current, candidate: own.candidate };
  const rows = [all, ...own.by_rule].flatMap(({ name, current, candidate }) => [
    [name, say.current, ...qualityCells(current, say)],
    [name, say.candidate, ...qualityCells(candidate, say)],
  ]);
  const judged = say.judged(own.judged_true, own.judged_false, own.without_alarm);
  return section(say.labels, `<p>${escaped(judged)}</p>`, table(heads, rows));
}

interface Detail {
  readonly kind: string;
  readonly user: string;
  readonly country: string;
  readonly occurred_at: string;
  readonly current: Judgement | null;
  readonly candidate: Judgement | null;
}

interface Judgement {
  readonly severity: string;
  readonly risk_score: number;
  readonly action: string;
  readonly mode: string;
  readonly explanation: string;
}

const judgement = (own: Judgement | null, say: Words): string =>
  own === null ? say.none : `${own.severity}, ${own.risk_score}, ${own.action}, ${own.mode}`;

function details(title: string, list: readonly unknown[], total: number, say: Words): string {
  const heads = [say.time, say.rule, say.user, say.country, say.current, say.candidate, say.why];
  const rows = (list as readonly Detail[]).map((one) => [
    one.occurred_at,
    one.kind,
    one.user,
    one.country === "" ? say.unknown : one.country,
    judgement(one.current, say),
    judgement(one.candidate, say),
    (one.candidate ?? one.current)?.explanation ?? "",
  ]);
  const shown = total > list.length ? `<p>${escaped(say.firstOf(list.length, total))}</p>` : "";
  return section(`${title} (${total})`, shown, total === 0 ? "" : table(heads, rows));
}

const documents = ({ policies }: Report, say: Words): string =>
  section(
    say.policies,
    ...(
      [
        [say.current, policies.current],
        [say.candidate, policies.candidate],
      ] as const
    ).map(
      ([name, document]) =>
        `<h3>${escaped(name)}</h3><pre>${escaped(JSON.stringify(document, null, 2))}</pre>`,
    ),
  );

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;margin:0 auto;max-width:75rem;padding:1rem;color:#1b1b1b;background:#fff}
h1{font-size:1.6rem}h2{font-size:1.2rem;margin-top:2rem}
table{border-collapse:collapse;font-size:.875rem}th,td{border-bottom:1px solid #ccc;padding:.25rem .75rem;text-align:left;vertical-align:top}
.n{text-align:right;font-variant-numeric:tabular-nums}.wide{overflow-x:auto}pre{background:#f4f4f4;padding:.75rem;overflow-x:auto}`;

/** The report as a page of its own, without scripts or anything from elsewhere. */
export function htmlOf(report: Report, language: Language): string {
  const say: Words = words[language];
  const totals = [
    { name: say.alarms, ...report.alarms },
    { name: say.revoked, ...report.revoked_sessions },
  ];
  const span = say.span(report.from ?? say.start, report.to ?? say.end);
  const about = say.about(report.events, report.users, report.users_affected);
  return `<!doctype html>
<html lang="${language}">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>${escaped(say.title)}</title><style>${STYLE}</style></head>
<body><h1>${escaped(say.title)}</h1>
<p>${escaped(span)} ${escaped(about)} ${escaped(say.tenants(report.tenants.join(", ")))}</p>
${section(say.summary, counts(say, "", totals))}
${section(say.byRule, counts(say, say.rule, report.by_rule))}
${labels(report, say)}
${section(say.byCountry, counts(say, say.country, report.by_country))}
${section(say.byUser, counts(say, say.user, report.by_user))}
${details(say.gained, report.gained, report.alarms.gained, say)}
${details(say.lost, report.lost, report.alarms.lost, say)}
${details(say.changed, report.changed, report.alarms.changed, say)}
${documents(report, say)}
</body></html>
`;
}
