import { assert } from "@vigie/core/assert";
import { type TopicName, topicNames } from "./catalogue.ts";
import {
  type Codecs,
  contractOf,
  createDecoder,
  createEncoder,
  type SchemaAnswer,
} from "./codec-core.ts";
import type { AvroSchema } from "./contracts.ts";

export interface MemoryCodecs extends Codecs {
  /** Makes a writer schema known, as a newer or older producer would have registered it. Returns: its id. */
  register(schema: AvroSchema): number;
  /** The id that the encoder of this topic writes. */
  schemaIdOf(topic: TopicName): number;
}

/** The codecs without a registry: the same bytes, ids counted from 1 in the order of the catalogue. */
export function memoryCodecs(): MemoryCodecs {
  const schemas: AvroSchema[] = topicNames.map((topic) => contractOf(topic).schema);
  const source = {
    lookup: (schemaId: number): SchemaAnswer => {
      const schema = schemas[schemaId - 1];
      return schema === undefined ? { kind: "unknown" } : { kind: "schema", schema };
    },
    load: () => Promise.resolve(),
  };
  const schemaIdOf = (topic: TopicName): number => {
    assert(topicNames.includes(topic), `${topic} is in the catalogue`);
    return 1 + topicNames.indexOf(topic);
  };
  return {
    decoder: (topic, options) => createDecoder(topic, source, options),
    encoder: (topic) => createEncoder(topic, () => schemaIdOf(topic)),
    ready: () => Promise.resolve(),
    close: () => {},
    register: (schema) => schemas.push(schema),
    schemaIdOf,
  };
}
