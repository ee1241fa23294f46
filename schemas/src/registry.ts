import registryClient from "@kafkajs/confluent-schema-registry";
import { messageOf, VigError } from "@vigie/core/errors";
import avro from "avsc";
import { avroOptions, compile } from "./avro.ts";
import type { SchemaAnswer } from "./codec-core.ts";
import type { AvroSchema } from "./contracts.ts";

const { COMPATIBILITY, SchemaRegistry, SchemaType } = registryClient;

/** A registry that hangs counts as away after this: what it is asked for waits meanwhile. */
const REQUEST_TIMEOUT_MS = 5_000;
/** Source: Confluent Schema Registry API reference, error codes. */
const SUBJECT_NOT_FOUND = 40401;
const VERSION_NOT_FOUND = 40402;
const SCHEMA_NOT_FOUND = 40403;
const NONE_FOUND: ReadonlySet<number | null> = new Set([
  SUBJECT_NOT_FOUND,
  VERSION_NOT_FOUND,
  SCHEMA_NOT_FOUND,
]);
const INCOMPATIBLE = 409;

/** The schema registry as the codecs and the provisioning use it. Everything throws VIG_REGISTRY_AWAY. */
export interface Registry {
  schemaOf(schemaId: number): Promise<SchemaAnswer>;
  /** The id of a subject's newest schema. Null: none is registered. */
  newestOf(subject: string): Promise<number | null>;
  /** Null: this contract is not registered under this subject. */
  idOf(subject: string, contract: string): Promise<number | null>;
  /** Throws besides: VIG_SCHEMA_INCOMPATIBLE. */
  register(subject: string, contract: string): Promise<number>;
  setCompatibility(subject: string, level: "FULL_TRANSITIVE"): Promise<void>;
}

/** Shape: registryUrl up to and with the API's own path, e.g. `http://127.0.0.1:8081/apis/ccompat/v7`. */
export function openRegistry(registryUrl: string, timeoutMs = REQUEST_TIMEOUT_MS): Registry {
  const host = registryUrl.replace(/\/+$/, "");
  const client = new SchemaRegistry(
    { host, clientId: "vigie", retry: { retries: 0 }, middlewares: [boundedBy(timeoutMs)] },
    { [SchemaType.AVRO]: avroOptions },
  );
  const call: Call = (...request) => callWithin(timeoutMs, host, ...request);
  return {
    schemaOf: (schemaId) => schemaOf(client, call, schemaId),
    async newestOf(subject) {
      const path = `/subjects/${encodeURIComponent(subject)}/versions/latest`;
      const { code, status, body } = await call("GET", path);
      if (NONE_FOUND.has(code)) return null;
      if (typeof body?.id === "number") return body.id;
      throw away(`status ${status} for the newest schema of ${subject}`);
    },
    async idOf(subject, contract) {
      try {
        return await client.getRegistryIdBySchema(subject, avroText(contract));
      } catch (cause) {
        const path = `/subjects/${encodeURIComponent(subject)}`;
        const { code } = await call("POST", path, { schema: contract });
        if (NONE_FOUND.has(code)) return null;
        throw away(cause);
      }
    },
    async register(subject, contract) {
      try {
        const options = { subject, compatibility: COMPATIBILITY.FULL_TRANSITIVE };
        return (await client.register(avroText(contract), options)).id;
      } catch (cause) {
        if ((cause as { status?: number }).status !== INCOMPATIBLE) throw away(cause);
        throw new VigError("VIG_SCHEMA_INCOMPATIBLE", { subject, why: messageOf(cause) });
      }
    },
    async setCompatibility(subject, compatibility) {
      const path = `/config/${encodeURIComponent(subject)}`;
      const { status } = await call("PUT", path, { compatibility });
      if (status !== 200) throw away(`status ${status} for the compatibility of ${subject}`);
    },
  };
}

const avroText = (schema: string) => ({ type: SchemaType.AVRO, schema }) as const;

const away = (cause: unknown): VigError =>
  new VigError("VIG_REGISTRY_AWAY", { why: whyOf(cause) }, { cause });

/** fetch says "fetch failed" of everything; what it was is in its cause. */
const whyOf = (cause: unknown): string => {
  const inner = cause instanceof Error ? cause.cause : undefined;
  return inner instanceof Error ? `${messageOf(cause)}: ${inner.message}` : messageOf(cause);
};

/**
 * The client alone cannot tell "no such schema" from a proxy's 404, nor a schema that is none from a page that
 * is no answer. So whatever it fails at is asked once more, plainly.
 */
async function schemaOf(
  client: InstanceType<typeof SchemaRegistry>,
  call: Call,
  schemaId: number,
): Promise<SchemaAnswer> {
  try {
    const schema = await client.getSchema(schemaId);
    return avro.Type.isType(schema) ? answerOf(schema) : notAvro;
  } catch (cause) {
    const { code, status, body } = await call("GET", `/schemas/ids/${schemaId}`);
    if (code === SCHEMA_NOT_FOUND) return { kind: "unknown" };
    if (status !== 200 || typeof body?.schema !== "string") throw away(cause);
    // It may be back since the client asked: what is judged is what it says now.
    return read(body.schema, body.schemaType ?? SchemaType.AVRO);
  }
}

const notAvro: SchemaAnswer = { kind: "foreign", why: "its schema is not Avro" };

const answerOf = (schema: object): SchemaAnswer => ({
  kind: "schema",
  schema: JSON.parse(JSON.stringify(schema)) as AvroSchema,
});

function read(text: string, type: string): SchemaAnswer {
  if (type !== SchemaType.AVRO) return notAvro;
  try {
    return answerOf(compile(JSON.parse(text) as AvroSchema));
  } catch (cause) {
    return { kind: "foreign", why: `its schema is not usable: ${messageOf(cause)}` };
  }
}

type RegistryOptions = ConstructorParameters<typeof SchemaRegistry>[0];
type Middleware = NonNullable<RegistryOptions["middlewares"]>[number];

const boundedBy =
  (timeoutMs: number): Middleware =>
  () => ({
    async prepareRequest(next) {
      return (await next())?.enhance({ timeout: timeoutMs });
    },
  });

type Call = (method: string, path: string, send?: object) => Promise<Answer>;

interface Answer {
  readonly status: number;
  /** The registry's own error code; null: something else answered, or all is well. */
  readonly code: number | null;
  readonly body: {
    readonly error_code?: number;
    readonly id?: unknown;
    readonly schema?: unknown;
    readonly schemaType?: string;
  } | null;
}

async function callWithin(
  timeoutMs: number,
  host: string,
  ...[method, path, send]: Parameters<Call>
): Promise<Answer> {
  try {
    const response = await fetch(host + path, {
      method,
      ...(send === undefined ? {} : { body: JSON.stringify(send) }),
      headers: { "content-type": "application/vnd.schemaregistry.v1+json" },
      signal: AbortSignal.timeout(timeoutMs),
    });
    const body = asObject(await response.text());
    return { status: response.status, code: body?.error_code ?? null, body };
  } catch (cause) {
    throw away(cause);
  }
}

function asObject(text: string): Answer["body"] {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" ? (body as Answer["body"]) : null;
  } catch {
    return null;
  }
}
