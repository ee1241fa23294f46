import type { Logger } from "@vigie/core/log";
import type { Clock } from "@vigie/core/time";
import type { LiveGeoIp } from "@vigie/geoip/live";
import type { Codecs } from "@vigie/schemas/codec-core";
import type { AuditTrail } from "@vigie/service-kit/audit-trail/audit-trail";
import type { Guarded } from "@vigie/service-kit/http/access";
import type { Rate } from "@vigie/service-kit/http/rate-limit";
import type { Keys } from "@vigie/service-kit/kms/keys";
import type { Metrics } from "@vigie/service-kit/metrics";
import type { EventOutput } from "@vigie/service-kit/output/event-output";
import type { Database } from "@vigie/service-kit/postgres/database";
import type { RedisStore } from "@vigie/service-kit/redis/redis";
import type { FastifyInstance } from "fastify";
import type { CountryMatrix } from "#countries/countries";
import type { CountryStore } from "#countries/country-store";
import type { Eraser } from "#erasure/eraser";
import type { PlaceBook } from "#geo-context/place-book";
import type { UssdParts } from "#ussd/ussd";

/** What the features of the geo service share; whom they let in is asked of `Guarded`. */
export interface GeoContext extends Guarded {
  readonly clock: Clock;
  readonly log: Logger;
  readonly metrics: Metrics;
  readonly database: Database;
  readonly redis: RedisStore;
  readonly geoip: LiveGeoIp;
  readonly codecs: Codecs;
  readonly output: EventOutput;
  readonly audit: AuditTrail;
  readonly keys: Keys;
  readonly countries: CountryMatrix;
  /** Where the matrix is changed. */
  readonly countryStore: CountryStore;
  readonly book: PlaceBook;
  readonly eraser: Eraser;
  readonly ussd: UssdParts;
  /** Of one address, where nobody says who calls. */
  readonly addressRate: Rate;
  /** False while the schemas of events are not known yet: then nothing that is told of can be done. */
  isReady(): boolean;
}

/** One feature: its routes, registered in a scope of their own. */
export type Feature = (scope: FastifyInstance, context: GeoContext) => void;
