import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Parsed } from "./config.ts";
import type { kafkaConfig, registryConfig, stateConfig } from "./shared-config.ts";

export interface KafkaTls {
  readonly ca?: string[];
  readonly cert?: string;
  readonly key?: string;
}

export interface KafkaSasl {
  readonly mechanism: "plain" | "scram-sha-256" | "scram-sha-512";
  readonly username: string;
  readonly password: string;
}

/** How to reach Kafka, in the shape that packages/stream takes. */
export interface KafkaOptions {
  readonly brokers: string[];
  readonly prefix: string;
  readonly ssl?: boolean | KafkaTls;
  readonly sasl?: KafkaSasl;
}

export function kafkaOptions(config: Parsed<typeof kafkaConfig>): KafkaOptions {
  const { KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME, KAFKA_SASL_PASSWORD } = config;
  return {
    brokers: [...config.KAFKA_BROKERS],
    prefix: config.VIGIE_TOPIC_PREFIX,
    ...(config.KAFKA_SSL && { ssl: tlsOf(config) }),
    ...(KAFKA_SASL_MECHANISM !== null && {
      sasl: {
        mechanism: KAFKA_SASL_MECHANISM,
        username: KAFKA_SASL_USERNAME ?? "",
        password: KAFKA_SASL_PASSWORD ?? "",
      },
    }),
  };
}

/** Where schemas are asked for and kept, in the shape that openCodecs takes. */
export const codecsOptions = (
  config: Parsed<typeof kafkaConfig & typeof registryConfig & typeof stateConfig>,
) => ({
  registryUrl: config.SCHEMA_REGISTRY_URL,
  cacheDir: config.VIGIE_SCHEMA_CACHE_DIR ?? join(config.VIGIE_STATE_DIR, "schemas"),
  prefix: config.VIGIE_TOPIC_PREFIX,
});

function tlsOf(config: Parsed<typeof kafkaConfig>): boolean | KafkaTls {
  const { KAFKA_SSL_CA, KAFKA_SSL_CERT, KAFKA_SSL_KEY } = config;
  if (KAFKA_SSL_CA === null && KAFKA_SSL_CERT === null) return true;
  return {
    ...(KAFKA_SSL_CA !== null && { ca: [readFileSync(KAFKA_SSL_CA, "utf8")] }),
    ...(KAFKA_SSL_CERT !== null && { cert: readFileSync(KAFKA_SSL_CERT, "utf8") }),
    ...(KAFKA_SSL_KEY !== null && { key: readFileSync(KAFKA_SSL_KEY, "utf8") }),
  };
}
