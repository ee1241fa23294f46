import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { VigError } from "@vigie/core/errors";
import { HOUR_MS } from "@vigie/core/time";
import { unknownAddress } from "@vigie/geoip/geoip";
import { placeAt } from "@vigie/geoip/place";
import { derivedKeys } from "@vigie/service-kit/kms/derived-keys";
import type { Keys } from "@vigie/service-kit/kms/keys";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { EventFile, type Fact, FactFile, type HeadOf } from "../history/history-file.ts";
import type { HistoryEvent } from "../history/minimise.ts";
import { htmlOf } from "./html.ts";
import { readLabels } from "./read-labels.ts";
import type { Report } from "./report.ts";
import { type WhatIf, whatIf } from "./run.ts";
import { summaryOf } from "./summary.ts";

const keysOf = (fill: number): Keys =>
  derivedKeys([{ keyId: "k1", activeFromMs: 0, secret: Buffer.alloc(32, fill) }], () => 1);
const keys = keysOf(1);
const START_MS = Date.UTC(2026, 10, 20);

let directory = "";
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "vigie-whatif-test-"));
});
afterEach(() => rmSync(directory, { recursive: true }));

const idOf = (number: number): string =>
  `${String(number).padStart(8, "0")}-0000-4000-8000-000000000000`;
const DAKAR = placeAt({ lat: 14.7167, lon: -17.4677 }, 150, "SN", "Dakar", 1);
const PARIS = placeAt({ lat: 48.8566, lon: 2.3522 }, 150, "FR", "Paris", 1);

interface Made {
  readonly user: number;
  readonly event: number;
  readonly atH: number;
  readonly place?: typeof DAKAR;
  readonly kind?: "AUTH_SUCCESS" | "AUTH_FAIL";
}

const eventOf = ({
  user,
  event,
  atH,
  place = DAKAR,
  kind = "AUTH_SUCCESS",
}: Made): HistoryEvent => {
  const timestampMs = START_MS + Math.round(atH * HOUR_MS);
  return {
    topic: "id.login",
    timestampMs,
    value: {
      event_id: idOf(event),
      tenant_id: "acme",
      user_id: idOf(user),
      occurred_at: timestampMs,
      kind,
      session_id: kind === "AUTH_SUCCESS" ? idOf(event + 1_000) : null,
      channel: "MOBILE",
      roles: [],
      network: { ip: "1:2:3:4:5:6:7:8", user_agent: null },
      location: null,
    },
    address: { ...unknownAddress, place, country: place.country },
    userAgent: null,
  };
};

/** 3,897 km beyond doubt in so many hours: at 800 km/h for user 1, 5,000 for user 2, 500 for user 3. */
const travels: readonly Made[] = [
  { user: 1, event: 11, atH: 0 },
  { user: 2, event: 21, atH: 0 },
  { user: 3, event: 31, atH: 0 },
  { user: 2, event: 22, atH: 3_897 / 5_000, place: PARIS },
  { user: 1, event: 12, atH: 3_897 / 800, place: PARIS },
  { user: 3, event: 32, atH: 3_897 / 500, place: PARIS },
];
const failures = [0, 1, 2, 3, 4].map(
  (i): Made => ({ user: 4, event: 41 + i, atH: 8 + i / 10, kind: "AUTH_FAIL" }),
);

function keepEvents(head: HeadOf, made: readonly Made[]): void {
  const file = new EventFile(directory, head, keys);
  for (const one of made) file.add(eventOf(one));
  file.finish();
}

interface Kept {
  readonly tenant?: string;
  readonly fromMs?: number;
  readonly toMs?: number;
  readonly pseudonymKeyId?: string;
  readonly made?: readonly Made[];
  readonly facts?: readonly Fact[];
}

function keep(over: Kept = {}): void {
  const { made = [...travels, ...failures], facts = [], ...head } = over;
  const whole = {
    tenant: "acme",
    partition: 0,
    fromMs: START_MS,
    toMs: START_MS + 24 * HOUR_MS,
    pseudonymKeyId: "k1",
    ...head,
  };
  keepEvents(whole, made);
  const factFile = new FactFile(directory, whole, keys);
  for (const fact of facts) factFile.add(fact);
  factFile.finish();
}

const ask = (candidate: object, over: Partial<WhatIf> = {}): Report =>
  whatIf({
    directory,
    keys,
    tenant: "acme",
    fromMs: 0,
    toMs: Number.POSITIVE_INFINITY,
    candidate,
    current: null,
    labels: new Map(),
    ...over,
  }).report;

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof VigError) return error.code;
    throw error;
  }
  return "none";
};

const kmh = (kmh_threshold: number) => ({ impossible_travel: { kmh_threshold } });

describe("the difference between two policies", () => {
  test("is exactly the alarms between the two limits", () => {
    keep();
    const { alarms, gained, by_rule, by_user, users_affected } = ask(kmh(700));
    expect(alarms).toEqual({ current: 1, candidate: 2, gained: 1, lost: 0, changed: 0 });
    expect(gained).toMatchObject([{ kind: "impossible_travel", user: idOf(1), country: "FR" }]);
    expect(by_rule).toMatchObject([{ name: "impossible_travel", gained: 1 }]);
    expect(by_user).toMatchObject([{ name: `acme|${idOf(1)}`, gained: 1 }]);
    expect(users_affected).toBe(1);
  });

  test("the other way round is lost, and between a policy and itself is none", () => {
    keep();
    expect(ask(kmh(900), { current: kmh(700) }).alarms).toMatchObject({ gained: 0, lost: 1 });
    expect(ask(kmh(700), { current: kmh(700) }).alarms).toMatchObject({ gained: 0, lost: 0 });
  });

  test("the policy that was exported is the one in force, and a newer export's counts", () => {
    const policy = (version: number, limit: number): Fact => {
      const document = JSON.stringify(kmh(limit));
      return { type: "policy", key: "acme", version, document };
    };
    keep({ facts: [policy(1, 400)] });
    keep({
      fromMs: START_MS + 24 * HOUR_MS,
      toMs: START_MS + 48 * HOUR_MS,
      made: [],
      facts: [policy(2, 700)],
    });
    const { alarms, policies } = ask(kmh(900));
    expect(policies).toMatchObject({ version: 2, current: kmh(700) });
    expect(alarms).toMatchObject({ current: 2, candidate: 1 });
  });

  test("an alarm of another action is changed; the sessions that it ends are counted once", () => {
    keep();
    const { alarms, changed, revoked_sessions } = ask({
      rules: { impossible_travel: { action: "REVOKE" } },
    });
    expect(alarms).toMatchObject({ gained: 0, lost: 0, changed: 1 });
    expect(changed).toMatchObject([
      { current: { action: "STEP_UP" }, candidate: { action: "REVOKE" } },
    ]);
    expect(revoked_sessions).toMatchObject({ current: 0, candidate: 1, gained: 1, lost: 0 });
    const shadow = ask({ rules: { impossible_travel: { action: "REVOKE", mode: "SHADOW" } } });
    expect(shadow.revoked_sessions.candidate).toBe(0);
  });

  test("what comes before --from teaches the rules and counts nowhere; what comes after --to is left out", () => {
    keep();
    const late = ask(kmh(700), { fromMs: START_MS + HOUR_MS });
    expect(late.alarms).toMatchObject({ current: 0, candidate: 1, gained: 1 });
    expect(late).toMatchObject({ events_before: 4, events: 7 });
    const early = ask(kmh(700), { toMs: START_MS + HOUR_MS });
    expect(early.alarms).toMatchObject({ current: 1, candidate: 1, gained: 0 });
  });

  test("is the same over one file and over several", () => {
    keep();
    const whole = JSON.stringify(ask(kmh(700)));
    rmSync(join(directory, "acme"), { recursive: true });
    const all = [...travels, ...failures];
    const cutMs = START_MS + 4 * HOUR_MS;
    keep({ toMs: cutMs, made: all.filter(({ atH }) => atH < 4) });
    keep({ fromMs: cutMs, made: all.filter(({ atH }) => atH >= 4) });
    expect(JSON.stringify(ask(kmh(700)))).toBe(whole);
  });

  test("leaves people out who were erased since, in files of before too", () => {
    keep({ facts: [{ type: "erased", user: idOf(1), untilMs: START_MS + 24 * HOUR_MS }] });
    expect(ask(kmh(700)).alarms).toMatchObject({ current: 1, candidate: 1, gained: 0 });
  });
});

describe("labels", () => {
  const alarm = (id: string, user: number, causes: readonly number[], kind: string): Fact => ({
    type: "alarm",
    id,
    kind,
    user: idOf(user),
    causes: causes.map(idOf),
    atMs: START_MS + HOUR_MS,
  });
  const label = (id: string, isTrue: boolean, labelledAtMs = 1): Fact => ({
    type: "label",
    id,
    isTrue,
    labelledAtMs,
  });

  test("give precision and recall of both policies, what nobody judged apart", () => {
    keep({
      facts: [
        alarm("a", 2, [21, 22], "impossible_travel"),
        label("a", false),
        label("a", true, 2),
        alarm("b", 1, [11, 12], "impossible_travel"),
        label("b", false),
        alarm("c", 4, [41, 42, 43, 44, 45, 46], "bruteforce"),
        label("c", true),
        label("unheard of", true),
      ],
    });
    const { labels } = ask({ ...kmh(700), max_failed_login_hour: { count: 3 } });
    expect(labels).toMatchObject({ judged_true: 2, judged_false: 1, without_alarm: 1 });
    expect(labels.current).toMatchObject({ precision: 1, recall: 0.5, unlabelled: 0 });
    // The window of four failures is part of the judged one of six.
    expect(labels.candidate).toMatchObject({ true_positives: 2, false_positives: 1, recall: 1 });
    expect(labels.candidate.precision).toBeCloseTo(2 / 3, 3);
    expect(labels.by_rule).toMatchObject([
      { name: "bruteforce", current: { recall: 0 }, candidate: { recall: 1 } },
      { name: "impossible_travel", current: { precision: 1 }, candidate: { precision: 0.5 } },
    ]);
  });

  test("of a file count over those of the history", () => {
    keep({ facts: [alarm("a", 2, [21, 22], "impossible_travel"), label("a", true)] });
    expect(ask(kmh(700)).labels.judged_true).toBe(1);
    const path = join(directory, "labels.jsonl");
    writeFileSync(path, '{"anomaly_id":"a","label":"false_positive"}\n');
    const { labels } = ask(kmh(700), { labels: readLabels(path) });
    expect(labels).toMatchObject({ judged_true: 0, judged_false: 1 });
    writeFileSync(path, '[{"anomaly_id":"a","label":"perhaps"}]');
    expect(codeOf(() => readLabels(path))).toBe("VIG_ARGUMENT_INVALID");
  });
});

describe("history that does not fit together is refused", () => {
  test("two files of the same time", () => {
    keep();
    keep({ fromMs: START_MS + HOUR_MS });
    expect(codeOf(() => ask(kmh(700)))).toBe("VIG_HISTORY_OVERLAP");
  });

  test("an export that was ended before all of its partitions were there", () => {
    keep();
    const [fromMs, toMs] = [START_MS + 24 * HOUR_MS, START_MS + 48 * HOUR_MS];
    keepEvents({ tenant: "acme", partition: 0, fromMs, toMs, pseudonymKeyId: "k1" }, travels);
    expect(codeOf(() => ask(kmh(700)))).toBe("VIG_HISTORY_TORN");
  });

  test("pseudonyms of two keys", () => {
    keep();
    keep({ fromMs: START_MS + 24 * HOUR_MS, toMs: START_MS + 25 * HOUR_MS, pseudonymKeyId: "k2" });
    expect(codeOf(() => ask(kmh(700)))).toBe("VIG_HISTORY_MIXED");
  });

  test("another installation's keys, and none of the tenant", () => {
    keep();
    expect(codeOf(() => ask(kmh(700), { keys: keysOf(2) }))).toBe("VIG_HISTORY_KEY");
    expect(codeOf(() => ask(kmh(700), { tenant: "globex" }))).toBe("VIG_HISTORY_EMPTY");
  });
});

describe("the report", () => {
  test("is the same bytes for the same question, in both languages, and asks for nothing from elsewhere", () => {
    keep();
    const once = ask(kmh(700));
    const again = ask(kmh(700));
    expect(JSON.stringify(again)).toBe(JSON.stringify(once));
    for (const language of ["en", "fr"] as const) {
      const html = htmlOf(once, language);
      expect(htmlOf(again, language)).toBe(html);
      expect(html).toContain(`<html lang="${language}">`);
      expect(html).not.toMatch(/https?:|<script|<link|<img|@import|url\(/);
    }
    expect(htmlOf(once, "fr")).toContain("Sessions qui auraient été révoquées");
    expect(summaryOf(once)).toMatch(/impossible_travel +1 +2 +1 +0 +0/);
  });

  test("shows what comes from a document as text", () => {
    keep();
    const role = "<b>&\"'";
    const html = htmlOf(ask({ roles: { teller: {} }, channels: {} }), "en");
    expect(html).toContain("&quot;teller&quot;");
    const report = { ...ask({}), tenants: [role] };
    expect(htmlOf(report, "en")).toContain("&lt;b&gt;&amp;&quot;&#39;");
  });
});
