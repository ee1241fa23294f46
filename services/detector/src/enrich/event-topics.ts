import type { Codecs, Decoder } from "@vigie/schemas/codec-core";
import type { EventKind } from "#rules/rule";
import type { RawEvent } from "./event.ts";

/** The topics that tell of what users do. */
export const eventTopics = ["id.login", "id.heartbeat", "id.mfa", "id.geo"] as const;
export type EventTopic = (typeof eventTopics)[number];
export const isEventTopic = (topic: string): topic is EventTopic =>
  (eventTopics as readonly string[]).includes(topic);

const common = [
  "event_id",
  "tenant_id",
  "user_id",
  "occurred_at",
  "session_id",
  "channel",
  "location",
];
const deviceFields = [
  "network",
  "device.device_id",
  "device.fingerprint.similarity",
  "device.fingerprint.signals",
];

/** What is decoded of each input: what the rules ask for, no more. */
const fieldsOf: Readonly<Record<EventTopic, readonly string[]>> = {
  "id.login": [...common, ...deviceFields, "sim.mcc", "roles", "kind"],
  "id.heartbeat": [...common, ...deviceFields, "sim.mcc", "roles"],
  "id.mfa": [...common, "network.ip", "kind"],
  "id.geo": [...common, "network.ip", "sim.mcc", "geohash"],
};

/** By the event's own word for its kind. */
export const kindOf: Readonly<Record<EventTopic, Readonly<Record<string, EventKind>>>> = {
  "id.login": {
    AUTH_SUCCESS: "login_success",
    AUTH_FAIL: "login_failure",
    LOGOUT: "logout",
    PASSWORD_CHANGED: "password_changed",
  },
  "id.heartbeat": { "": "heartbeat" },
  "id.mfa": { CHALLENGE: "mfa_challenge", SUCCESS: "mfa_success", FAIL: "mfa_failure" },
  "id.geo": { "": "geo" },
};

export const eventDecoder = (codecs: Codecs, topic: EventTopic): Decoder<RawEvent> =>
  codecs.decoder<RawEvent>(topic, { fields: fieldsOf[topic], unreadMaps: true });
