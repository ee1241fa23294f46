import { sampleAnomaly } from "@vigie/schemas/samples";
import { expect, test } from "vitest";
import { travelNews } from "./travels.ts";

const T0 = Date.UTC(2026, 0, 5, 10);
const evidence = {
  distance_km: "4197",
  speed_kmh: "8395",
  min_speed_kmh: "7543",
  elapsed_s: "1800",
  limit_kmh: "900",
  from_country: "SN",
  to_country: "FR",
  from_event: "e-1",
};

test("GEO-24: an impossible journey is told with its countries and sums, and nothing else of it", () => {
  expect(travelNews(sampleAnomaly(T0, { evidence }))).toMatchObject({
    kind: "found",
    event: {
      type: "impossible_travel",
      occurredAtMs: T0,
      country: null,
      geohash: null,
      details: {
        riskScore: 95,
        distanceKm: "4197",
        speedKmh: "8395",
        elapsedS: "1800",
        limitKmh: "900",
        fromCountry: "SN",
        toCountry: "FR",
      },
    },
  });
});

test("one anomaly is one event, another anomaly or tenant another", () => {
  const idOf = (more: object) => {
    const news = travelNews(sampleAnomaly(T0, more));
    return news.kind === "found" ? news.event.id : null;
  };
  expect(idOf({})).toBe(idOf({ evidence }));
  const others = [{}, { anomaly_id: "a-2" }, { tenant_id: "molam-ci" }].map(idOf);
  expect(new Set(others).size).toBe(3);
});

test("a retraction withdraws the event of what it retracts, whatever else it says", () => {
  const found = travelNews(sampleAnomaly(T0));
  const withdrawn = travelNews(
    sampleAnomaly(T0, { anomaly_id: "a-9", retracts: "a-1", kind: "bruteforce" }),
  );
  expect(withdrawn).toEqual({
    kind: "withdrawn",
    eventId: found.kind === "found" ? found.event.id : "",
  });
});

test.each([{ mode: "SHADOW" as const }, { kind: "vpn_detected" }, { kind: "bruteforce" }])(
  "%j is no news",
  (more) => {
    expect(travelNews(sampleAnomaly(T0, more))).toEqual({ kind: "none" });
  },
);
