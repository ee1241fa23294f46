import assert from "node:assert/strict";
import { haversineKm } from "@vigie/core/geo";
import { DAY_MS, HOUR_MS, hoursFromMs } from "@vigie/core/time";
import { test } from "vitest";
import { anomalyKinds, Workload, type WorkloadEvent } from "./workload.ts";
import { cities } from "./world.ts";

const options = {
  events: 20_000,
  users: 2_000,
  seed: 7,
  startMs: Date.UTC(2026, 0, 1),
  spanMs: 10 * DAY_MS,
};

function run(seed = options.seed) {
  const workload = new Workload({ ...options, seed });
  return { workload, events: [...workload.events()] };
}

test("the same seed gives the same events, another seed others", () => {
  const first = run().events;
  assert.deepEqual(run().events, first);
  assert.notDeepEqual(run(8).events, first);
});

test("60 % logins, 30 % heartbeats, 10 % MFA, in order of event time, event ids unique", () => {
  const { events } = run();
  const share = (topic: string) => events.filter((e) => e.topic === topic).length / events.length;
  assert.ok(Math.abs(share("id.login") - 0.6) < 0.06, `logins ${share("id.login")}`);
  assert.ok(Math.abs(share("id.heartbeat") - 0.3) < 0.06);
  assert.ok(Math.abs(share("id.mfa") - 0.1) < 0.03);
  const times = events.map((e) => e.value.occurred_at);
  assert.deepEqual(
    times,
    times.toSorted((a, b) => a - b),
  );
  assert.equal(new Set(events.map((e) => e.value.event_id)).size, events.length);
});

test("what is planted is what an independent reading of the events finds", () => {
  const { workload, events } = run();
  const found = {
    impossible_travel: travellers(events, 900),
    fingerprint_mismatch: changedOs(events),
    bruteforce: sixFailures(events),
  };
  for (const kind of anomalyKinds) {
    assert.ok(found[kind].length > 0, `${kind} occurs`);
    assert.deepEqual(workload.planted(kind).toSorted(), found[kind].toSorted(), kind);
  }
  assert.ok(travellers(events, 500).length > found.impossible_travel.length, "slow trips occur");
});

function byUser(events: readonly WorkloadEvent[]): Map<string, WorkloadEvent[]> {
  return Map.groupBy(events, (event) => event.key) as Map<string, WorkloadEvent[]>;
}

function placeOf(event: WorkloadEvent) {
  const network = event.value.network?.ip?.split(".").slice(0, 3).join(".") ?? "";
  return cities.find((city) => city.networks.includes(network));
}

function travellers(events: readonly WorkloadEvent[], limitKmh: number): string[] {
  return [...byUser(events)].flatMap(([key, own]) => {
    const fixes = own.filter((e) => e.topic !== "id.login" || e.value.kind === "AUTH_SUCCESS");
    return fixes.slice(1).flatMap((event, i) => {
      const [from, to] = [placeOf(fixes[i] as WorkloadEvent), placeOf(event)];
      if (from === undefined || to === undefined || from === to) return [];
      const before = (fixes[i] as WorkloadEvent).value.occurred_at;
      const hours = hoursFromMs(event.value.occurred_at - before);
      return haversineKm(from, to) / hours > limitKmh ? [key] : [];
    });
  });
}

function changedOs(events: readonly WorkloadEvent[]): string[] {
  return [...byUser(events)].flatMap(([key, own]) => {
    const os = own.map((e) => e.value.device?.fingerprint?.signals.os);
    return os.slice(1).flatMap((value, i) => (value === os[i] ? [] : [key]));
  });
}

function sixFailures(events: readonly WorkloadEvent[]): string[] {
  return [...byUser(events)].flatMap(([key, own]) => {
    const at = own.flatMap((e) =>
      e.topic === "id.mfa" && e.value.kind === "FAIL" ? [e.value.occurred_at] : [],
    );
    return at.length >= 6 && (at[5] as number) - (at[0] as number) < HOUR_MS ? [key] : [];
  });
}
