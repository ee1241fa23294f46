import { DAY_MS } from "@vigie/core/time";
import { expect, test } from "vitest";
import { tellDataAge } from "./data-age.ts";
import { createHealth, mergeHealth } from "./health.ts";
import { createMetrics } from "./metrics.ts";

const T0 = Date.UTC(2026, 5, 5, 10);

test("the age of data is told as of now, in metrics and health, and goes back when it is replaced", async () => {
  let nowMs = T0 + 3 * DAY_MS;
  let city: number | null = T0;
  const health = createHealth("geo", () => T0);
  const metrics = createMetrics("geo", { processMetrics: false });
  const builtAt = () => ({ city, network: null });
  tellDataAge({ part: "geoip", builtAt, health, metrics, clock: () => nowMs });

  const told = () => health.report().parts.geoip;
  expect(health.report().status).toBe("healthy");
  expect(told()?.facts).toEqual({
    city_built_at: "2026-06-05T10:00:00.000Z",
    city_age_days: 3,
    network_built_at: null,
    network_age_days: null,
  });
  const seconds = async () =>
    (await metrics.registry.metrics()).split("\n").filter((line) => line.startsWith("geoip_"));
  expect(await seconds()).toEqual(['geoip_database_age_seconds{database="city"} 259200']);

  nowMs += DAY_MS;
  expect(told()?.facts?.city_age_days).toBe(4);
  city = nowMs;
  expect(told()?.facts?.city_age_days).toBe(0);
  expect(await seconds()).toEqual(['geoip_database_age_seconds{database="city"} 0']);
  city = null;
  expect(await seconds()).toEqual([]);
  expect(mergeHealth("geo", [health.report()]).parts.geoip?.facts?.city_built_at).toBe(null);
});
