import { lookup as systemLookup } from "node:dns";
import type { LookupFunction } from "node:net";
import { isIP } from "node:net";
import { messageOf, VigError } from "@vigie/core/errors";
import { Agent, type Dispatcher, request } from "undici";
import { isPublicAddress } from "./address.ts";

/** A URL from the configuration is fetched like this; never one from a request. */
export interface OutboundOptions {
  /** Development only: also http and private addresses. */
  readonly allowPrivate: boolean;
  readonly timeoutMs?: number;
  readonly responseBytesMax?: number;
  /** For tests; resolves like dns.lookup with all addresses. */
  readonly resolve?: typeof systemLookup;
  /** For tests; who signed the server. */
  readonly ca?: string;
}

/** What undici answers: status, headers, and a body that whoever asked reads or destroys. */
export type OutboundAnswer = Dispatcher.ResponseData;

export interface OutboundRequest {
  readonly method: "GET" | "HEAD";
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends it, the body too; without one an answer may go on as long as its bytes keep coming. */
  readonly signal?: AbortSignal;
}

export interface Outbound {
  /** Whatever is answered, also a redirect, which is not followed. Throws: as `json`. */
  send(url: string, request: OutboundRequest): Promise<OutboundAnswer>;
  /** The JSON behind a URL. Throws: VIG_OUTBOUND_REFUSED, VIG_OUTBOUND_AWAY. */
  json(url: string): Promise<unknown>;
  close(): Promise<void>;
}

const TIMEOUT_MS = 5_000;
/** Source: a key set of 50 RSA-4096 keys with certificates stays under this. */
const RESPONSE_BYTES_MAX = 512 * 1_024;

/**
 * Calls to the outside: https only, no redirects, and no address that is private or link-local after its name
 * was resolved. The check sits in the resolution that the connection itself uses, so that a name cannot answer
 * differently the second time.
 */
export function openOutbound(options: OutboundOptions): Outbound {
  const { timeoutMs = TIMEOUT_MS, allowPrivate } = options;
  const agent = new Agent({
    maxResponseSize: options.responseBytesMax ?? RESPONSE_BYTES_MAX,
    headersTimeout: timeoutMs,
    bodyTimeout: timeoutMs,
    connect: {
      timeout: timeoutMs,
      ...(options.ca !== undefined && { ca: options.ca }),
      ...(!allowPrivate && { lookup: publicLookup(options.resolve ?? systemLookup) }),
    },
  });
  const reach = async <T>(url: string, ask: () => Promise<T>): Promise<T> => {
    refuseUrl(url, allowPrivate);
    try {
      return await ask();
    } catch (error) {
      const cause = refusalIn(error);
      throw cause ?? new VigError("VIG_OUTBOUND_AWAY", { why: messageOf(error) }, { cause: error });
    }
  };
  return {
    send: (url, { method, headers, signal }) =>
      reach(url, () =>
        request(url, {
          dispatcher: agent,
          method,
          ...(headers && { headers }),
          ...(signal && { signal }),
        }),
      ),
    json: (url) => reach(url, () => fetchJson(agent, url, timeoutMs)),
    close: () => agent.close(),
  };
}

async function fetchJson(agent: Dispatcher, url: string, timeoutMs: number): Promise<unknown> {
  const response = await request(url, {
    dispatcher: agent,
    signal: AbortSignal.timeout(timeoutMs),
    headers: { accept: "application/json" },
  });
  if (response.statusCode !== 200) {
    await response.body.dump();
    throw new Error(`answered ${response.statusCode}`);
  }
  return await response.body.json();
}

function refuseUrl(url: string, allowPrivate: boolean): void {
  const { protocol, hostname } = new URL(url);
  if (allowPrivate) return;
  if (protocol !== "https:") throw new VigError("VIG_OUTBOUND_REFUSED", { why: "not https" });
  const literal = hostname.replace(/^\[|\]$/g, "");
  if (isIP(literal) !== 0 && !isPublicAddress(literal)) throw notPublic();
}

const notPublic = (): VigError =>
  new VigError("VIG_OUTBOUND_REFUSED", { why: "the address is not a public one" });

/** The refusal by our own lookup, however deep the client wrapped it. */
function refusalIn(error: unknown): VigError | null {
  if (error instanceof VigError) return error;
  if (error instanceof AggregateError) {
    return error.errors.map(refusalIn).find((found) => found !== null) ?? null;
  }
  return error instanceof Error && error.cause !== undefined ? refusalIn(error.cause) : null;
}

/** dns.lookup that fails as soon as one of the addresses is not public. */
function publicLookup(resolve: typeof systemLookup): LookupFunction {
  return (hostname, lookupOptions, callback) => {
    resolve(hostname, { ...lookupOptions, all: true }, (error, addresses) => {
      const first = addresses?.[0];
      if (error !== null || first === undefined) {
        callback(error ?? new Error("no address"), "", 0);
      } else if (!addresses.every(({ address }) => isPublicAddress(address))) {
        callback(notPublic(), "", 0);
      } else if (lookupOptions.all === true) {
        callback(null, addresses);
      } else {
        callback(null, first.address, first.family);
      }
    });
  };
}
