import type { Codecs } from "@vigie/schemas/codec-core";
import type { SessionAnomaly } from "@vigie/schemas/types";
import { uuidOf } from "@vigie/service-kit/ids";
import { enterTenant } from "@vigie/service-kit/postgres/database";
import { type RecordTaker, recordTaker } from "@vigie/service-kit/record-sink";
import { isErased } from "#erasure/follow-erasures";
import { withoutErasedPlace } from "#erasure/location-erased";
import { lockPlaces } from "#geo-context/postgres-book";
import type { FraudMeter } from "#geo-events/fraud-meter";
import { type GeoEventRow, noPlace } from "#geo-events/geo-events";
import { recordGeoEvent, withdrawGeoEvent } from "#geo-events/record";

const KIND = "impossible_travel";

/** Facts of a journey that its person may read, by their names in the anomaly's evidence. */
const told: Readonly<Record<string, string>> = {
  from_country: "fromCountry",
  to_country: "toCountry",
  distance_km: "distanceKm",
  elapsed_s: "elapsedS",
  speed_kmh: "speedKmh",
  limit_kmh: "limitKmh",
};

/** What an anomaly means for the record of whose it is. */
export type TravelNews =
  | { readonly kind: "found"; readonly event: GeoEventRow }
  | { readonly kind: "withdrawn"; readonly eventId: string }
  | { readonly kind: "none" };

/** Of another kind, or for study only (SHADOW), an anomaly means nothing here. */
export function travelNews(anomaly: SessionAnomaly): TravelNews {
  if (anomaly.retracts !== null) {
    return { kind: "withdrawn", eventId: eventIdOf(anomaly.tenant_id, anomaly.retracts) };
  }
  if (anomaly.kind !== KIND || anomaly.mode !== "ENFORCE") return { kind: "none" };
  const facts = Object.entries(anomaly.evidence).flatMap(([name, value]) =>
    told[name] === undefined ? [] : [[told[name], value] as const],
  );
  const event: GeoEventRow = {
    ...noPlace,
    id: eventIdOf(anomaly.tenant_id, anomaly.anomaly_id),
    type: KIND,
    occurredAtMs: anomaly.occurred_at,
    details: { riskScore: anomaly.risk_score, ...Object.fromEntries(facts) },
  };
  return { kind: "found", event };
}

/** The same journey is told of once, however often it is read. */
const eventIdOf = (tenantId: string, anomalyId: string): string =>
  uuidOf(tenantId, "anomaly", anomalyId);

/** ANO-05, GEO-24: impossible journeys that the detector finds come onto the record of whose they are. */
export const travelTaker = (codecs: Codecs, frauds: FraudMeter): RecordTaker =>
  recordTaker<SessionAnomaly>(codecs, "id.session.anomaly", async (tx, anomaly) => {
    const news = travelNews(anomaly);
    if (news.kind === "none") return;
    const person = { tenantId: anomaly.tenant_id, userId: anomaly.user_id };
    await enterTenant(tx, person.tenantId);
    if (news.kind === "withdrawn") return withdrawGeoEvent(tx, person, news.eventId);
    await lockPlaces(tx, person);
    if (await isErased(tx, person, news.event.occurredAtMs)) return "erased";
    const event = await withoutErasedPlace(tx, person, news.event);
    const isNew = await recordGeoEvent(tx, person, event);
    return isNew ? () => frauds.count(news.event.type) : undefined;
  });
