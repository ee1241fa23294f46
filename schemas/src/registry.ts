import registryClient from "@kafkajs/confluent-schema-registry";
import { messageOf, VigError } from "@vigie/core/errors";
import avro from "avsc";
import { avroOptions } from "./avro.ts";
import type { SchemaAnswer } from "./codec-core.ts";
import type { AvroSchema } from "./contracts.ts";

const { COMPATIBILITY, SchemaRegistry, SchemaType } = registryClient;

/** A registry that hangs counts as away after this. */
const REQUEST_TIMEOUT_MS = 5_000;
/** Source: Confluent Schema Registry API reference, error codes. */
const SUBJECT_NOT_FOUND = "40401";
const SCHEMA_NOT_FOUND = "40403";
const INCOMPATIBLE = "409";

/** The schema registry as the codecs and the provisioning use it. Everything throws VIG_REGISTRY_AWAY. */
export interface Registry {
  schemaOf(schemaId: number): Promise<SchemaAnswer>;
  /** Null: this contract is not registered under this subject. */
  idOf(subject: string, contract: string): Promise<number | null>;
  /** Throws besides: VIG_SCHEMA_INCOMPATIBLE. */
  register(subject: string, contract: string): Promise<number>;
  setCompatibility(subject: string, level: "FULL_TRANSITIVE"): Promise<void>;
}

/** Shape: registryUrl up to and with the API's own path, e.g. `http://127.0.0.1:8081/apis/ccompat/v7`. */
export function openRegistry(registryUrl: string): Registry {
  const host = registryUrl.replace(/\/+$/, "");
  const client = new SchemaRegistry(
    { host, clientId: "vigie", retry: { retries: 0 }, middlewares: [honest] },
    { [SchemaType.AVRO]: avroOptions },
  );
  const avroText = (schema: string) => ({ type: SchemaType.AVRO, schema }) as const;
  return {
    async schemaOf(schemaId) {
      try {
        const schema = await client.getSchema(schemaId);
        if (!avro.Type.isType(schema)) return { kind: "foreign", why: "the schema is not Avro" };
        return { kind: "schema", schema: JSON.parse(JSON.stringify(schema)) as AvroSchema };
      } catch (cause) {
        const code = codeOf(cause);
        if (code === SCHEMA_NOT_FOUND) return { kind: "unknown" };
        if (code === null) return { kind: "foreign", why: messageOf(cause) };
        throw away(cause);
      }
    },
    async idOf(subject, contract) {
      try {
        return await client.getRegistryIdBySchema(subject, avroText(contract));
      } catch (cause) {
        const code = codeOf(cause);
        if (code === SUBJECT_NOT_FOUND || code === SCHEMA_NOT_FOUND) return null;
        throw away(cause);
      }
    },
    async register(subject, contract) {
      try {
        const options = { subject, compatibility: COMPATIBILITY.FULL_TRANSITIVE };
        return (await client.register(avroText(contract), options)).id;
      } catch (cause) {
        if (codeOf(cause)?.startsWith(INCOMPATIBLE)) {
          throw new VigError("VIG_SCHEMA_INCOMPATIBLE", { subject, why: messageOf(cause) });
        }
        throw away(cause);
      }
    },
    setCompatibility: (subject, level) => putCompatibility(host, subject, level),
  };
}

const away = (cause: unknown): VigError =>
  new VigError("VIG_REGISTRY_AWAY", { why: messageOf(cause) }, { cause });

type RegistryOptions = ConstructorParameters<typeof SchemaRegistry>[0];
type Middleware = NonNullable<RegistryOptions["middlewares"]>[number];
type ResponsePhase = NonNullable<ReturnType<Middleware>["response"]>;
/** A response as the client's middlewares see it. */
type Response = Awaited<ReturnType<Parameters<ResponsePhase>[0]>>;

/**
 * The client's errors keep a response's status and message only, count a dead connection as status 400 and take
 * any 200 for an answer. This puts the registry's own error code before the message, so that "no such schema" is
 * told from a proxy's 404, and turns an answer that is not JSON into an error.
 */
const honest: Middleware = () => ({
  async prepareRequest(next) {
    return (await next())?.enhance({ timeout: REQUEST_TIMEOUT_MS });
  },
  async response(next) {
    let response: Response;
    try {
      response = await next();
    } catch (failed) {
      throw coded(failed as Response);
    }
    if (parsed(response) === null) throw coded(response.enhance({ status: 502 }));
    return response;
  },
});

function coded(response: Response): Response {
  const body = parsed(response);
  const broken = response.error();
  const code = broken === null ? String(body?.error_code ?? response.status()) : "connection";
  const why = broken?.message ?? body?.message ?? `status ${response.status()}`;
  return response.enhance({
    rawData: JSON.stringify({ message: `[${code}] ${why}` }),
    headers: { "content-type": "application/json" },
  });
}

interface Answer {
  readonly error_code?: number;
  readonly message?: string;
}

function parsed(response: Response): Answer | null {
  try {
    const body: unknown = JSON.parse(response.rawData() ?? "");
    return typeof body === "object" ? (body as Answer | null) : null;
  } catch {
    return null;
  }
}

/** Null: the error is none of the transport but of the schema itself. */
const codeOf = (cause: unknown): string | null =>
  /^vigie - \[(\w+)\]/.exec(messageOf(cause))?.[1] ?? null;

async function putCompatibility(host: string, subject: string, level: string): Promise<void> {
  let response: globalThis.Response;
  try {
    response = await fetch(`${host}/config/${encodeURIComponent(subject)}`, {
      method: "PUT",
      headers: { "content-type": "application/vnd.schemaregistry.v1+json" },
      body: JSON.stringify({ compatibility: level }),
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
  } catch (cause) {
    throw away(cause);
  }
  if (!response.ok) throw away(`status ${response.status} for the compatibility of ${subject}`);
}
