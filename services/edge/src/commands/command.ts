import type { Channel, CommandKind } from "@vigie/schemas/types";

/** Which sessions of a user are meant. */
export type Target =
  | { readonly kind: "session"; readonly sessionId: string }
  | { readonly kind: "all"; readonly keepSessionId: string | null }
  | { readonly kind: "device"; readonly deviceId: string }
  | { readonly kind: "channel"; readonly channel: Channel };

const kinds: Readonly<Record<Target["kind"], CommandKind>> = {
  session: "REVOKE_SESSION",
  all: "REVOKE_ALL",
  device: "REVOKE_DEVICE",
  channel: "REVOKE_CHANNEL",
};

/** REV-04: the target as the fields of a command say it. */
export const fieldsOf = (target: Target) => ({
  kind: kinds[target.kind],
  session_id: target.kind === "session" ? target.sessionId : null,
  device_id: target.kind === "device" ? target.deviceId : null,
  channel: target.kind === "channel" ? target.channel : null,
  keep_session_id: target.kind === "all" ? target.keepSessionId : null,
});

/** Source: the channels of SES-01, as paths and filters name them. */
export const channels = { mobile: "MOBILE", web: "WEB", ussd: "USSD", api: "API" } as const;

/** The channel of that name in any case, or null. */
export function channelOf(name: string): Channel | null {
  const lower = name.toLowerCase();
  return Object.hasOwn(channels, lower) ? channels[lower as keyof typeof channels] : null;
}
