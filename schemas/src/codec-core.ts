import { messageOf } from "@vigie/core/errors";
import { dlq, type Outcome, ok } from "@vigie/core/outcome";
import { compile, type Read, readerOf } from "./avro.ts";
import { type TopicName, VALUE_MAX_BYTES } from "./catalogue.ts";
import { type AvroSchema, type Contract, loadContracts } from "./contracts.ts";
import { project } from "./projection.ts";

export { TextMap } from "./avro.ts";

/** Something has still to be fetched: ask again when `ready` resolves. It never rejects. */
export interface Later {
  readonly kind: "later";
  readonly ready: Promise<void>;
}

/** Turns the bytes of a topic's records into its contract's values; @vigie/stream/codec asks for this shape. */
export interface Decoder<V> {
  decode(value: Uint8Array): Outcome<V> | Later;
}

export interface Encoder<V> {
  encode(value: V): Buffer;
}

export interface DecoderOptions {
  /** Only these are decoded: top-level fields, or paths such as `network.ip`. The rest is missing in the value. */
  readonly fields?: readonly string[];
  /** Maps of texts are given as TextMap: where they lie, not taken apart. Default false. */
  readonly unreadMaps?: boolean;
}

export interface Codecs {
  decoder<V>(topic: TopicName, options?: DecoderOptions): Decoder<V>;
  encoder<V>(topic: TopicName): Encoder<V>;
  /**
   * Resolves when every encoder made so far knows its schema id; a registry that is away is waited for.
   * Throws: VIG_SCHEMA_NOT_REGISTERED when the registry answers that it has no such contract.
   */
  ready(): Promise<void>;
  /** Asks the registry no more; what waits for it then goes on waiting. */
  close(): void;
}

/** What is known of a writer schema's id. */
export type SchemaAnswer =
  | { readonly kind: "schema"; readonly schema: AvroSchema }
  | { readonly kind: "unknown" }
  | { readonly kind: "foreign"; readonly why: string };

/** Where writer schemas come from. */
export interface SchemaSource {
  /** Undefined: not known yet; `load` finds out. */
  lookup(schemaId: number): SchemaAnswer | undefined;
  /** Resolves when `lookup` knows the id; never rejects. */
  load(schemaId: number): Promise<void>;
}

/** Source: Confluent wire format: a zero byte, the schema id in 4 bytes, big endian, then the Avro value. */
export const WIRE_HEADER_BYTES = 5;

type Plan = Read | Outcome<never>;

/** Writer schemas that one decoder keeps resolved; the oldest makes room. */
const PLANS_MAX = 1_000;

export function createDecoder<V>(
  topic: TopicName,
  source: SchemaSource,
  { fields, unreadMaps = false }: DecoderOptions = {},
): Decoder<V> {
  const contract = contractOf(topic).schema;
  const wanted = fields === undefined ? contract : project(contract, fields);
  const reader = compile(wanted, { unreadMaps });
  const plans = new Map<number, Plan>();

  function planOf(schemaId: number): Plan | undefined {
    const known = plans.get(schemaId);
    if (known !== undefined) return known;
    const answer = source.lookup(schemaId);
    if (answer === undefined) return undefined;
    if (answer.kind === "unknown") return dlq("VIG_RECORD_SCHEMA_UNKNOWN", { schemaId });
    const plan = answer.kind === "foreign" ? notAvro(answer.why) : fit(schemaId, answer.schema);
    const [oldest] = plans.keys();
    if (plans.size >= PLANS_MAX && oldest !== undefined) plans.delete(oldest);
    plans.set(schemaId, plan);
    return plan;
  }

  function fit(schemaId: number, schema: AvroSchema): Plan {
    try {
      return readerOf(reader, compile(schema));
    } catch (cause) {
      return undecodable(schemaId, cause);
    }
  }

  return {
    decode(value) {
      const bytes = asBuffer(value);
      if (bytes.length > VALUE_MAX_BYTES) {
        const sizes = { bytes: bytes.length, limitBytes: VALUE_MAX_BYTES };
        return dlq("VIG_RECORD_TOO_LARGE", sizes);
      }
      if (bytes.length < WIRE_HEADER_BYTES) return notAvro(`${bytes.length} bytes`);
      if (bytes[0] !== 0) return notAvro(`magic byte ${bytes[0]}`);
      const schemaId = bytes.readInt32BE(1);
      const plan = planOf(schemaId);
      if (plan === undefined) return { kind: "later", ready: source.load(schemaId) };
      if (typeof plan !== "function") return plan;
      try {
        return ok(plan(bytes, WIRE_HEADER_BYTES) as V);
      } catch (cause) {
        return undecodable(schemaId, cause);
      }
    },
  };
}

const notAvro = (why: string): Outcome<never> => dlq("VIG_RECORD_NOT_AVRO", { why });

const undecodable = (schemaId: number, cause: unknown): Outcome<never> =>
  dlq("VIG_RECORD_UNDECODABLE", { schemaId, why: messageOf(cause).slice(0, 200) });

const asBuffer = (value: Uint8Array): Buffer =>
  Buffer.isBuffer(value) ? value : Buffer.from(value.buffer, value.byteOffset, value.byteLength);

/** Enough for any value that the runtime takes; longer ones are written a second time into their own size. */
const scratch = Buffer.allocUnsafe(WIRE_HEADER_BYTES + VALUE_MAX_BYTES);

/** `schemaId` is asked at every value, since it may be known only after the encoder was made. */
export function createEncoder<V>(topic: TopicName, schemaId: () => number): Encoder<V> {
  const type = compile(contractOf(topic).schema);
  return {
    encode(value) {
      let into = scratch;
      let end = type.encode(value, into, WIRE_HEADER_BYTES);
      if (end < 0) {
        into = Buffer.allocUnsafe(into.length - end);
        end = type.encode(value, into, WIRE_HEADER_BYTES);
      }
      into[0] = 0;
      into.writeInt32BE(schemaId(), 1);
      return Buffer.from(into.subarray(0, end));
    },
  };
}

let contracts: ReadonlyMap<string, Contract> | undefined;

/** The contract of a topic, read from its file once. */
export function contractOf(topic: TopicName): Contract {
  contracts ??= loadContracts();
  return contracts.get(topic) as Contract;
}

/** The form in which a contract is registered and asked for. */
export const registeredText = (topic: TopicName): string =>
  JSON.stringify(contractOf(topic).schema);
