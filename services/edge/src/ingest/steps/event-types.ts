import { contractOf } from "@vigie/schemas/codec-core";

/** What may be sent, and where it goes. */
export const eventTypes = {
  login: { topic: "id.login", fromUsers: false },
  heartbeat: { topic: "id.heartbeat", fromUsers: true },
  mfa: { topic: "id.mfa", fromUsers: false },
  geo: { topic: "id.geo", fromUsers: true },
} as const;

export type EventType = keyof typeof eventTypes;
export type EventTopic = (typeof eventTypes)[EventType]["topic"];

export const eventTypeNames = Object.keys(eventTypes) as readonly EventType[];

export const isEventType = (name: unknown): name is EventType =>
  typeof name === "string" && Object.hasOwn(eventTypes, name);

interface AvroTime {
  readonly logicalType?: string;
}

/** Fields that hold a time, by the contract. */
export function timeFieldsOf(topic: EventTopic): readonly string[] {
  const isTime = (type: unknown): boolean =>
    Array.isArray(type)
      ? type.some(isTime)
      : (type as AvroTime | null)?.logicalType === "timestamp-millis";
  return contractOf(topic).schema.fields.flatMap(({ name, type }) => (isTime(type) ? [name] : []));
}

/** What the contract puts where a body says nothing. */
export function defaultsOf(topic: EventTopic): Readonly<Record<string, unknown>> {
  const { fields } = contractOf(topic).schema;
  return Object.fromEntries(
    fields.flatMap(({ name, default: value }) => (value === undefined ? [] : [[name, value]])),
  );
}
