import type { Codecs } from "@vigie/schemas/codec-core";
import type { SessionAnomaly } from "@vigie/schemas/types";
import { uuidOf } from "@vigie/service-kit/ids";
import { enterTenant } from "@vigie/service-kit/postgres/database";
import { type RecordTaker, recordTaker } from "@vigie/service-kit/record-sink";
import { isErased } from "#erasure/follow-erasures";
import { lockPlaces } from "#geo-context/postgres-book";
import type { FraudMeter } from "#geo-events/fraud-meter";
import { type GeoEventDetails, type GeoEventRow, noPlace } from "#geo-events/geo-events";
import { recordGeoEvent } from "#geo-events/record";

const KIND = "impossible_travel";

/**
 * Facts of a journey that a person may read: countries and sums, as the detector rounded them. Its events' ids and what
 * it says of sessions stay where they are.
 */
const told: Readonly<Record<string, string>> = {
  from_country: "fromCountry",
  to_country: "toCountry",
  distance_km: "distanceKm",
  elapsed_s: "elapsedS",
  speed_kmh: "speedKmh",
  limit_kmh: "limitKmh",
};

/** The journey on its person's record; null: the anomaly is of another kind, for study only, or a retraction. */
export function travelEvent(anomaly: SessionAnomaly): GeoEventRow | null {
  if (anomaly.kind !== KIND || anomaly.mode !== "ENFORCE" || anomaly.retracts !== null) return null;
  const details: Record<string, string | number> = { riskScore: anomaly.risk_score };
  for (const [name, value] of Object.entries(anomaly.evidence)) {
    const known = told[name];
    if (known !== undefined) details[known] = value;
  }
  return {
    ...noPlace,
    // Of the anomaly's: the same journey is told of once, however often it is read.
    id: uuidOf(anomaly.tenant_id, "anomaly", anomaly.anomaly_id),
    type: KIND,
    occurredAtMs: anomaly.occurred_at,
    details: details as GeoEventDetails,
  };
}

/** ANO-05, GEO-24: impossible journeys that the detector finds come onto the record of whose they are. */
export const travelTaker = (codecs: Codecs, frauds: FraudMeter): RecordTaker =>
  recordTaker<SessionAnomaly>(codecs, "id.session.anomaly", async (tx, anomaly) => {
    const event = travelEvent(anomaly);
    if (event === null) return;
    const person = { tenantId: anomaly.tenant_id, userId: anomaly.user_id };
    await enterTenant(tx, person.tenantId);
    await lockPlaces(tx, person);
    if (await isErased(tx, person, event.occurredAtMs)) return;
    if (await recordGeoEvent(tx, person, event)) frauds.count(event.type);
  });
