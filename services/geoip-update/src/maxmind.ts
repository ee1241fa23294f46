import type { Readable } from "node:stream";
import { VigError } from "@vigie/core/errors";
import type { Outbound, OutboundAnswer, OutboundRequest } from "@vigie/service-kit/http/outbound";

export interface MaxMindAccount {
  readonly accountId: string;
  readonly licenceKey: string;
  /** Where the permalinks begin. */
  readonly baseUrl: string;
  /** Hosts, with their ports if any, that a permalink may send on to. */
  readonly fileHosts: readonly string[];
}

/** Databases by their edition id, e.g. GeoLite2-City. Each throws VIG_GEOIP_UPDATE_FAILED, VIG_OUTBOUND_*. */
export interface GeoIpSource {
  /** When the newest one was built, to the second; asking costs no download. */
  newest(edition: string, signal: AbortSignal): Promise<number>;
  /** SHA-256 of the archive, in hex. */
  checksum(edition: string, signal: AbortSignal): Promise<string>;
  /** A tar.gz with the database in a folder. */
  archive(edition: string, signal: AbortSignal): Promise<Readable>;
}

type Suffix = "tar.gz" | "tar.gz.sha256";

/**
 * Permalinks with Basic authentication; a GET is sent on to a signed URL on a host of its own, which must not see the
 * licence key. Source: MaxMind's OpenAPI description, specs/downloads.yaml of github.com/maxmind/openapi.
 */
export function maxmindSource(
  outbound: Pick<Outbound, "send">,
  account: MaxMindAccount,
): GeoIpSource {
  const { accountId, licenceKey, baseUrl, fileHosts } = account;
  const basic = Buffer.from(`${accountId}:${licenceKey}`).toString("base64");
  const headers = { authorization: `Basic ${basic}` };

  const permalink = (edition: string, suffix: Suffix): string => {
    const url = new URL(`geoip/databases/${encodeURIComponent(edition)}/download`, `${baseUrl}/`);
    url.searchParams.set("suffix", suffix);
    return url.href;
  };
  const ask = async (url: string, request: OutboundRequest): Promise<OutboundAnswer> =>
    outbound.send(url, request);

  async function get(edition: string, suffix: Suffix, signal: AbortSignal): Promise<Readable> {
    const url = permalink(edition, suffix);
    const first = await ask(url, { method: "GET", headers, signal });
    if (first.statusCode === 200) return first.body;
    await first.body.dump();
    if (!REDIRECTS.has(first.statusCode)) throw refusal(edition, first.statusCode);
    const next = URL.parse(String(first.headers.location), url);
    if (next === null || !fileHosts.includes(next.host)) {
      throw failed(
        edition,
        `it is said to be at ${next?.host ?? "no address"}, which is not allowed`,
      );
    }
    const second = await ask(next.href, { method: "GET", signal });
    if (second.statusCode === 200) return second.body;
    await second.body.dump();
    throw failed(edition, `its file's host answered ${second.statusCode}`);
  }

  return {
    async newest(edition, signal) {
      const answer = await ask(permalink(edition, "tar.gz"), { method: "HEAD", headers, signal });
      await answer.body.dump();
      if (answer.statusCode !== 200) throw refusal(edition, answer.statusCode);
      const atMs = Date.parse(String(answer.headers["last-modified"]));
      if (Number.isNaN(atMs)) throw failed(edition, "nothing says when it was built");
      return atMs;
    },
    async checksum(edition, signal) {
      const text = await textOf(await get(edition, "tar.gz.sha256", signal));
      const [, digest] = /^([0-9a-f]{64})\s/i.exec(text) ?? [];
      if (digest === undefined) throw failed(edition, "its checksum is none");
      return digest.toLowerCase();
    },
    archive: (edition, signal) => get(edition, "tar.gz", signal),
  };
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308]);

/** What MaxMind means by a status. Source: as above. */
const meanings: Readonly<Record<number, string>> = {
  401: "the account or its licence key is not accepted",
  403: "the account may not have it",
  404: "there is no such edition",
  429: "the account has had its downloads of 24 hours",
  451: "it may not be had from here, by law",
};

const refusal = (edition: string, status: number): VigError =>
  failed(edition, meanings[status] ?? `MaxMind answered ${status}`);

export const failed = (edition: string, why: string, cause?: unknown): VigError =>
  new VigError("VIG_GEOIP_UPDATE_FAILED", { edition, why }, { cause });

/** A line with a digest and a file name. */
const CHECKSUM_BYTES_MAX = 1_024;

async function textOf(body: Readable): Promise<string> {
  let text = "";
  for await (const chunk of body) {
    text += chunk;
    // Whoever leaves the loop ends the answer.
    if (text.length > CHECKSUM_BYTES_MAX) break;
  }
  return text;
}
