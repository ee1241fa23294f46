import type { IncomingHttpHeaders } from "node:http";
import type { ProviderName, UssdCallback, UssdRequest } from "../callback.ts";
import type { Screen } from "../machine/types.ts";

/** A request to the webhook as it came. */
export interface RawCallback {
  readonly headers: IncomingHttpHeaders;
  readonly mediaType: "json" | "form";
  readonly body: Buffer;
  /** Path and query as called. */
  readonly path: string;
  /** Null: a trusted proxy passed on what is no address. */
  readonly address: string | null;
  /** Parts of the path that only some providers have. */
  readonly secret: string | null;
  readonly session: { readonly id: string; readonly method: string } | null;
}

export interface ProviderAnswer {
  readonly contentType: string;
  readonly body: string;
}

/** One way of being called, and how it is answered. */
export interface Provider {
  readonly name: ProviderName;
  /** ISO 3166-1 alpha-2 of where it serves; null: wherever USSD is supported. Source: USS-08. */
  readonly countries: ReadonlySet<string> | null;
  /** Whether the request is this provider's own, in constant time where a secret is compared. Never throws. */
  vouchesFor(raw: RawCallback): boolean;
  /** Asked only of what it vouches for. Throws: VIG_BODY_INVALID. */
  read(raw: RawCallback): UssdRequest;
  answer(screen: Screen, callback: UssdCallback): ProviderAnswer;
  /** The answer where nobody sees one. */
  acknowledge(): ProviderAnswer;
}
