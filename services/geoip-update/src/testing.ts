import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gzipSync } from "node:zlib";
import { type MmdbValue, tinyMmdb } from "@vigie/geoip/tiny-mmdb";

/** A tar archive as tar itself writes it. Source: POSIX.1-2024, pax utility, ustar interchange format. */
export function tarOf(
  members: readonly { readonly name: string; readonly bytes: Buffer }[],
): Buffer {
  const blocks = members.flatMap(({ name, bytes }) => {
    const header = Buffer.alloc(512);
    const isFolder = name.endsWith("/");
    header.write(name, 0);
    header.write("0000644\0", 100);
    header.write(`${bytes.length.toString(8).padStart(11, "0")}\0`, 124);
    header.write(isFolder ? "5" : "0", 156);
    header.write("ustar\0", 257);
    header.fill(" ", 148, 156);
    const sum = header.reduce((total, byte) => total + byte, 0);
    header.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
    return [header, bytes, Buffer.alloc((512 - (bytes.length % 512)) % 512)];
  });
  return Buffer.concat([...blocks, Buffer.alloc(1_024)]);
}

/** A database that places every address in one city, or announces it by one operator. */
export function databaseOf(edition: string, city: string, builtAtMs: number): Buffer {
  const record: MmdbValue = edition.endsWith("-City")
    ? {
        city: { names: { en: city } },
        country: { iso_code: "SN" },
        location: { latitude: 14.7, longitude: -17.4, accuracy_radius: 20 },
      }
    : { autonomous_system_number: 8_346, autonomous_system_organization: city };
  const networks = ["0", "1"].map((prefix) => ({ prefix, record }));
  return tinyMmdb(networks, { type: edition, builtAtMs });
}

/** What MaxMind has of one edition. */
export interface Release {
  readonly builtAtMs: number;
  readonly archive: Buffer;
  /** What it says of the archive; as a rule the truth. */
  readonly sha256: string;
}

export function releaseOf(edition: string, builtAtMs: number, database: Buffer): Release {
  const folder = `${edition}_20260602`;
  return releaseOfTar(
    builtAtMs,
    tarOf([
      { name: `${folder}/`, bytes: Buffer.alloc(0) },
      { name: `${folder}/COPYRIGHT.txt`, bytes: Buffer.from("of its maker") },
      { name: `${folder}/${edition}.mmdb`, bytes: database },
      { name: `${folder}/README.txt`, bytes: Buffer.from("to be read") },
    ]),
  );
}

export function releaseOfTar(builtAtMs: number, tar: Buffer): Release {
  const archive = gzipSync(tar);
  return { builtAtMs, archive, sha256: createHash("sha256").update(archive).digest("hex") };
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

export interface FakeMaxMind {
  readonly url: string;
  /** Host and port of the store that permalinks send on to. */
  readonly fileHost: string;
  readonly releases: Map<string, Release>;
  /** Stands in for an answer of either server, by the start of its path. */
  readonly instead: Map<string, Answer>;
  /** Method and path, of both servers. */
  readonly asked: string[];
  close(): Promise<void>;
}

export const ACCOUNT = { accountId: "271828", licenceKey: "test-licence-key" } as const;
const BASIC = `Basic ${Buffer.from(`${ACCOUNT.accountId}:${ACCOUNT.licenceKey}`).toString("base64")}`;

/** MaxMind's two servers. Source: specs/downloads.yaml of github.com/maxmind/openapi. */
export async function fakeMaxMind(): Promise<FakeMaxMind> {
  const releases = new Map<string, Release>();
  const instead = new Map<string, Answer>();
  const asked: string[] = [];
  const answering = (answer: Answer): Answer =>
    function serve(request, response) {
      const { method, url = "" } = request;
      asked.push(`${method} ${url}`);
      const other = [...instead].find(([start]) => `${method} ${url}`.startsWith(start))?.[1];
      (other ?? answer)(request, response);
    };
  const files = createServer(
    answering(({ url = "", headers }, response) => {
      // A store with signed URLs refuses a request that is signed twice.
      if (headers.authorization !== undefined) return void response.writeHead(400).end();
      const [, edition = "", suffix] = new URL(url, "http://localhost").pathname.split("/");
      const { archive, sha256 } = releases.get(edition) as Release;
      response.end(suffix === "tar.gz" ? archive : `${sha256}  ${edition}_20260602.tar.gz\n`);
    }),
  );
  const fileHost = await listening(files);
  const downloads = createServer(
    answering(({ method, url = "", headers }, response) => {
      if (headers.authorization !== BASIC) return void response.writeHead(401).end();
      const { pathname, searchParams } = new URL(url, "http://localhost");
      const [, edition = ""] = /^\/geoip\/databases\/([^/]+)\/download$/.exec(pathname) ?? [];
      const release = releases.get(edition);
      if (release === undefined) return void response.writeHead(404).end();
      const modified = new Date(release.builtAtMs).toUTCString();
      if (method === "HEAD")
        return void response.writeHead(200, { "last-modified": modified }).end();
      const location = `http://${fileHost}/${edition}/${searchParams.get("suffix")}?signature=1`;
      response.writeHead(302, { location }).end();
    }),
  );
  const url = `http://${await listening(downloads)}`;
  const close = async () => {
    await Promise.all([closed(files), closed(downloads)]);
  };
  return { url, fileHost, releases, instead, asked, close };
}

async function listening(server: Server): Promise<string> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function closed(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}
