import { given, integer, list, type Parsed, text, url } from "@vigie/service-kit/config";
import { processConfig } from "@vigie/service-kit/shared-config";

const { NODE_ENV, LOG_LEVEL, DRAIN_TIMEOUT_MS } = processConfig;

/** Of the updater, which knows nothing of the service. */
export const geoipUpdateConfig = {
  NODE_ENV,
  LOG_LEVEL,
  DRAIN_TIMEOUT_MS,
  MAXMIND_ACCOUNT_ID: text({ about: "account that the databases are fetched for" }),
  MAXMIND_LICENSE_KEY: text({ about: "licence key of the account; a secret" }),
  MAXMIND_DB_PATH: text({ about: "folder that the databases are put in", default: "/data" }),
  MAXMIND_EDITIONS: list({
    about: "databases that are kept up to date",
    // Those whose records are understood.
    pattern: /^(GeoLite2-(City|ASN)|GeoIP2-(City|ISP))$/,
    expected: "GeoLite2-City, GeoLite2-ASN, GeoIP2-City, GeoIP2-ISP",
    countMin: 1,
    default: ["GeoLite2-City", "GeoLite2-ASN"],
  }),
  MAXMIND_DOWNLOAD_URL: given(
    url({
      about: "where permalinks begin; http outside production only",
      schemes: ["https", "http"],
      default: "https://download.maxmind.com",
    }),
    ({ env, production }) =>
      production && env.MAXMIND_DOWNLOAD_URL?.startsWith("http:")
        ? "is http, which production refuses"
        : null,
  ),
  MAXMIND_FILE_HOSTS: list({
    about: "hosts that MaxMind may send a download on to",
    pattern: /^[a-z0-9.-]+(:\d{1,5})?$/,
    expected: "host or host:port",
    countMin: 1,
    // Source: https://dev.maxmind.com/geoip/updating-databases
    default: ["mm-prod-geoip-databases.a2649acb697e2c09b632799562c076f2.r2.cloudflarestorage.com"],
  }),
  GEOIP_UPDATE_EVERY_HOURS: integer({
    about: "looks again and again, so many hours apart; 0 looks once and ends",
    min: 0,
    max: 24 * 31,
    default: 0,
  }),
};

export type GeoipUpdateConfig = Parsed<typeof geoipUpdateConfig>;
