import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type AwsCredentials, bodyOf, signedScope } from "./aws-signature.ts";

/** How a request is answered instead; `hang` keeps it waiting. */
export type S3Trouble = { readonly status: number; readonly code: string } | "hang" | null;

/** A bucket that is reached by path, as those of MinIO or Ceph are. */
export interface FakeS3 {
  readonly url: string;
  readonly bucket: string;
  readonly region: string;
  readonly credentials: AwsCredentials;
  /** By key. */
  readonly files: Map<string, Buffer>;
  /** "PUT key". */
  readonly requests: string[];
  /** Asked for each request before it is served. */
  trouble: (request: string) => S3Trouble;
  close(): Promise<void>;
}

export async function startFakeS3(): Promise<FakeS3> {
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const fake: FakeS3 = {
    url: `http://127.0.0.1:${port}`,
    bucket: "audit",
    region: "eu-west-3",
    credentials: { accessKeyId: "AKIDVIGIETEST", secretAccessKey: "secret-of-the-tests" },
    files: new Map(),
    requests: [],
    trouble: () => null,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const { pathname } = new URL(request.url ?? "", fake.url);
    const [, bucket, ...key] = pathname.split("/").map(decodeURIComponent);
    const name = key.join("/");
    const asked = `${request.method} ${name}`;
    fake.requests.push(asked);
    const trouble = fake.trouble(asked);
    if (trouble === "hang") return;
    const scope = signedScope(request, body, fake.credentials);
    const isSigned = scope?.region === fake.region && scope.service === "s3";
    if (trouble !== null) refuse(response, trouble.status, trouble.code);
    else if (!isSigned) refuse(response, 403, "SignatureDoesNotMatch");
    else if (bucket !== fake.bucket) refuse(response, 404, "NoSuchBucket");
    else serve(response, { method: request.method ?? "", name, body });
  }

  function serve(response: ServerResponse, asked: { method: string; name: string; body: Buffer }) {
    const { method, name, body } = asked;
    const file = fake.files.get(name);
    if (method === "GET" && file === undefined) return refuse(response, 404, "NoSuchKey");
    if (method === "PUT") fake.files.set(name, body);
    if (method === "DELETE") fake.files.delete(name);
    response.writeHead(method === "DELETE" ? 204 : 200);
    return response.end(method === "GET" ? file : undefined);
  }
  return fake;
}

function refuse(response: ServerResponse, status: number, code: string): void {
  // Whoever follows it with a status of 3xx is seen to come again.
  response.writeHead(status, { "content-type": "application/xml", location: "/elsewhere/file" });
  response.end(
    `<?xml version="1.0"?><Error><Code>${code}</Code><Message>${code}</Message></Error>`,
  );
}
