import { DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS } from "@vigie/core/time";
import {
  given,
  integer,
  type KindContext,
  optional,
  type Parsed,
  secret,
  secrets,
  url,
} from "@vigie/service-kit/config";
import { networks } from "@vigie/service-kit/http-config";
import type { RedisStore } from "@vigie/service-kit/redis/redis";
import { africasTalkingProvider } from "./providers/africas-talking.ts";
import { infobipProvider } from "./providers/infobip.ts";
import type { Provider } from "./providers/provider.ts";
import { twilioProvider } from "./providers/twilio.ts";
import { vigieProvider } from "./providers/vigie.ts";
import { redisDialogues } from "./sessions/redis-dialogues.ts";
import type { UssdParts } from "./ussd.ts";

/** A list of blanks is none. */
const isSet = (given = ""): boolean => /[^\s,]/.test(given);

/** What a provider is known by takes both: with one alone it would not be served, and nobody would be told. */
const pairedWith =
  (secret: string, name: string) =>
  ({ env }: KindContext): string | null => {
    if (isSet(env[secret]) === isSet(env[name])) return null;
    return isSet(env[name]) ? `is set, but ${secret} is not` : `is missing, and ${secret} is set`;
  };

/** What is typed on a phone goes there: PINs. */
const inClear = ({ env, production }: KindContext): string | null =>
  production && env.USSD_PUBLIC_URL?.startsWith("http:")
    ? "is http, which production refuses"
    : null;

export const ussdConfig = {
  USSD_WEBHOOK_SECRET: secret({
    about: "X-USSD-Signature of callbacks to /v1/ussd/webhook",
    developmentDefault: "vigie-development-ussd",
  }),
  USSD_WEBHOOK_SECRETS_BEFORE: secrets({ about: "secrets before it that are still taken" }),
  AFRICASTALKING_PATH_SECRETS: secrets({
    about: "last part of the path that Africa's Talking calls; unset: it is not served",
  }),
  AFRICASTALKING_SOURCES: given(
    networks("AFRICASTALKING_SOURCES", "addresses that Africa's Talking calls from"),
    pairedWith("AFRICASTALKING_PATH_SECRETS", "AFRICASTALKING_SOURCES"),
  ),
  INFOBIP_PATH_SECRETS: secrets({
    about: "part of the path that Infobip calls; unset: it is not served",
  }),
  INFOBIP_SOURCES: given(
    networks("INFOBIP_SOURCES", "addresses that Infobip calls from"),
    pairedWith("INFOBIP_PATH_SECRETS", "INFOBIP_SOURCES"),
  ),
  TWILIO_AUTH_TOKENS: secrets({ about: "auth tokens of the Twilio account; unset: not served" }),
  USSD_PUBLIC_URL: given(
    given(
      optional(url({ about: "where Twilio calls, without the path", schemes: ["https", "http"] })),
      pairedWith("TWILIO_AUTH_TOKENS", "USSD_PUBLIC_URL"),
    ),
    inClear,
  ),
  USSD_SESSION_IDLE_MS: integer({
    about: "a USSD dialogue that is silent for so long is forgotten",
    min: 10 * SECOND_MS,
    max: 30 * MINUTE_MS,
    // Source: operators end a session after one to three minutes of silence.
    default: 3 * MINUTE_MS,
  }),
  USSD_SIM_HOLD_HOURS: integer({
    about: "after a change of SIM no PIN is set by phone for so long",
    min: 0,
    max: 720,
    // Source: India's operators hold back SMS for 24 h after a change of SIM; over a weekend nobody notices sooner.
    default: 72,
  }),
};
export type UssdConfig = Parsed<typeof ussdConfig>;

/**
 * For so long the id of a dialogue opens no other one. Gateways deliver again within minutes; but a callback that somebody
 * kept has no time that it is too old by, and after this it is one more try of the PIN in it. Source: 165 bytes of Redis
 * each, measured: a million dialogues a day are 165 MB.
 */
const USED_MS = DAY_MS;

export function ussdParts(config: UssdConfig, redis: RedisStore): UssdParts {
  const lifetimes = { idleMs: config.USSD_SESSION_IDLE_MS, usedMs: USED_MS };
  return {
    providers: providersOf(config),
    dialogues: redisDialogues(redis, lifetimes),
    simHoldMs: config.USSD_SIM_HOLD_HOURS * HOUR_MS,
  };
}

/** Those that are configured. */
export function providersOf(config: UssdConfig): readonly Provider[] {
  const { AFRICASTALKING_PATH_SECRETS, INFOBIP_PATH_SECRETS, TWILIO_AUTH_TOKENS } = config;
  const own = [config.USSD_WEBHOOK_SECRET, ...config.USSD_WEBHOOK_SECRETS_BEFORE];
  const providers = [vigieProvider(own)];
  if (AFRICASTALKING_PATH_SECRETS.length > 0) {
    const sources = config.AFRICASTALKING_SOURCES;
    providers.push(africasTalkingProvider({ sources, pathSecrets: AFRICASTALKING_PATH_SECRETS }));
  }
  if (INFOBIP_PATH_SECRETS.length > 0) {
    const sources = config.INFOBIP_SOURCES;
    providers.push(infobipProvider({ sources, pathSecrets: INFOBIP_PATH_SECRETS }));
  }
  if (TWILIO_AUTH_TOKENS.length > 0 && config.USSD_PUBLIC_URL !== null) {
    const publicUrl = config.USSD_PUBLIC_URL;
    providers.push(twilioProvider({ authTokens: TWILIO_AUTH_TOKENS, publicUrl }));
  }
  return providers;
}
