import type { Metrics } from "@vigie/service-kit/metrics";
import type { GeoEventType } from "./geo-events.ts";

/** Source: GEO-24. */
const frauds: readonly GeoEventType[] = ["country_mismatch", "vpn_detected", "impossible_travel"];

export interface FraudMeter {
  /** Counts those types that tell of fraud. */
  count(type: GeoEventType): void;
}

/** OBS-04. */
export function fraudMeter(metrics: Metrics): FraudMeter {
  const counter = metrics.counter("fraud_detections_total", "Signs of fraud in where people are", [
    "kind",
  ]);
  return {
    count(type) {
      if (frauds.includes(type)) counter.inc({ kind: type });
    },
  };
}
