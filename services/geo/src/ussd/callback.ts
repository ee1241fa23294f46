/** Who may call the webhook; `vigie`: whoever signs as we document it. */
export const providerNames = ["vigie", "africastalking", "twilio", "infobip"] as const;
export type ProviderName = (typeof providerNames)[number];

/**
 * What a person has typed. It may hold a PIN: never kept, logged or published, neither is anything made of it but an
 * HMAC.
 */
export type UssdInput =
  /** All steps so far, joined by `*`; empty: the code was dialled. Source: USS-03. */
  | { readonly kind: "whole"; readonly text: string }
  /**
   * The last step alone, empty: the code was dialled. `number` counts steps from 1 (0: dialled), as we told the
   * provider to send back with the answer; null: the provider has no place for it.
   */
  | { readonly kind: "step"; readonly text: string; readonly number: number | null };

/** One callback that its provider vouches for, in the words of none. */
export interface UssdCallback {
  readonly provider: ProviderName;
  /** The provider's, 1..128 characters; unique with the provider for as long as the session lives. */
  readonly sessionId: string;
  /** As dialled, `*131#` or `*131*1#`, or the number of a voice line. */
  readonly serviceCode: string;
  /** E.164, for example `+221771234567`. */
  readonly phone: string;
  readonly input: UssdInput;
}

/** What a provider calls for: a screen, or nothing, for the session is over by the person, the network or us. */
export type UssdRequest =
  | { readonly kind: "turn"; readonly callback: UssdCallback }
  | { readonly kind: "over"; readonly session: Pick<UssdCallback, "provider" | "sessionId"> };
