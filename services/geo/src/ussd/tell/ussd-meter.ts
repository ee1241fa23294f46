import type { Metrics } from "@vigie/service-kit/metrics";
import type { ProviderName } from "../callback.ts";
import type { PinCheck } from "../pins/pin-book.ts";
import type { Conversed } from "../sessions/converse.ts";

/** ended: told that the session is over; refused: nobody vouches for it; unrouted: no tenant has the code there. */
export type CallbackOutcome = Conversed["kind"] | "ended" | "refused" | "unrouted" | "failed";

export interface UssdMeter {
  count(provider: ProviderName, outcome: CallbackOutcome): void;
  opened(provider: ProviderName, country: string): void;
  pinChecked(outcome: PinCheck["kind"]): void;
}

export function createUssdMeter(metrics: Metrics): UssdMeter {
  const callbacks = metrics.counter("ussd_callbacks_total", "USSD callbacks by what came of them", [
    "provider",
    "outcome",
  ]);
  const sessions = metrics.counter("ussd_sessions_total", "USSD sessions opened", [
    "provider",
    "country",
  ]);
  const pins = metrics.counter("ussd_pin_checks_total", "PINs looked at", ["outcome"]);
  return {
    count: (provider, outcome) => callbacks.inc({ provider, outcome }),
    opened: (provider, country) => sessions.inc({ provider, country }),
    pinChecked: (outcome) => pins.inc({ outcome }),
  };
}
