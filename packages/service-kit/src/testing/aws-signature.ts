import { createHash, createHmac } from "node:crypto";
import type { IncomingMessage } from "node:http";

export interface AwsCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

export interface AwsScope {
  readonly region: string;
  readonly service: string;
}

/**
 * The scope that a request was signed for, or null when its signature is missing or wrong.
 * Source: AWS IAM user guide, "Create a signed AWS API request" (Signature Version 4).
 */
export function signedScope(
  request: IncomingMessage,
  body: Buffer,
  { accessKeyId, secretAccessKey }: AwsCredentials,
): AwsScope | null {
  const header = request.headers.authorization ?? "";
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/([^/]+)\/aws4_request, ?SignedHeaders=([^,]+), ?Signature=([0-9a-f]{64})$/.exec(
      header,
    );
  if (match === null) return null;
  const [, key, day = "", region = "", service = "", names = "", signature] = match;
  const time = String(request.headers["x-amz-date"]);
  const canonical = sha256(canonicalRequest(request, body, names));
  const toSign = `AWS4-HMAC-SHA256\n${time}\n${day}/${region}/${service}/aws4_request\n${canonical}`;
  const signingKey = [day, region, service, "aws4_request"].reduce<Buffer | string>(
    (secret, part) => hmac(secret, part),
    `AWS4${secretAccessKey}`,
  );
  const fits = key === accessKeyId && hmac(signingKey, toSign).toString("hex") === signature;
  return fits ? { region, service } : null;
}

function canonicalRequest(request: IncomingMessage, body: Buffer, names: string): string {
  const [path = "", query = ""] = (request.url ?? "").split("?");
  const headers = names
    .split(";")
    .map((name) => `${name}:${String(request.headers[name]).trim().replace(/\s+/g, " ")}\n`);
  const parameters = query
    .split("&")
    .filter(Boolean)
    .map((pair) => (pair.includes("=") ? pair : `${pair}=`))
    .sort();
  const said = request.headers["x-amz-content-sha256"];
  const payload = typeof said === "string" ? said : sha256(body);
  return [
    request.method,
    path,
    parameters.join("&"),
    headers.join(""),
    names,
    payload === "UNSIGNED-PAYLOAD" ? payload : sha256(body),
  ].join("\n");
}

const sha256 = (data: string | Buffer): string => createHash("sha256").update(data).digest("hex");
const hmac = (key: string | Buffer, data: string): Buffer =>
  createHmac("sha256", key).update(data).digest();

export async function bodyOf(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}
