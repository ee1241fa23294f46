import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { type AwsCredentials, bodyOf, signedScope } from "./aws-signature.ts";

/** What a request asks for; the library's own, in JSON. */
export interface KmsRequest {
  readonly action: string;
  readonly KeyId: string;
  readonly EncryptionContext?: Readonly<Record<string, string>>;
  readonly CiphertextBlob?: string;
  readonly Plaintext?: string;
  readonly NumberOfBytes?: number;
}

/** How a request is answered instead; `hang` keeps it waiting. */
export type KmsTrouble =
  | { readonly status: number; readonly type: string; readonly message?: string }
  | "hang"
  | null;

/** A server that speaks the three calls of AWS KMS that are used, with keys of its own. */
export interface FakeKms {
  readonly url: string;
  /** ARNs; `other` is a second key, `alias` a name of `key`. */
  readonly key: string;
  readonly other: string;
  readonly alias: string;
  readonly credentials: AwsCredentials;
  readonly requests: readonly KmsRequest[];
  /** Asked for each request before it is served. */
  trouble: (request: KmsRequest) => KmsTrouble;
  close(): Promise<void>;
}

const REGION = "eu-west-3";
const arn = (name: string): string => `arn:aws:kms:${REGION}:111122223333:${name}`;

export async function startFakeKms(): Promise<FakeKms> {
  const key = arn("key/1234abcd-12ab-34cd-56ef-1234567890ab");
  const other = arn("key/0987dcba-09fe-87dc-65ba-ab0987654321");
  const alias = arn("alias/vigie");
  const secrets = new Map([key, other].map((each) => [each, randomBytes(32)]));
  const requests: KmsRequest[] = [];
  const server = createServer((request, response) => void answer(request, response));
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  const fake: FakeKms = {
    url: `http://127.0.0.1:${port}`,
    key,
    other,
    alias,
    credentials: { accessKeyId: "AKIDVIGIETEST", secretAccessKey: "secret-of-the-tests" },
    requests,
    trouble: () => null,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, "close");
    },
  };

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await bodyOf(request);
    const scope = signedScope(request, body, fake.credentials);
    const action = String(request.headers["x-amz-target"]).replace("TrentService.", "");
    const asked = { action, ...JSON.parse(body.toString()) } as KmsRequest;
    requests.push(asked);
    const trouble = fake.trouble(asked);
    if (trouble === "hang") return;
    const isSigned = scope?.region === REGION && scope.service === "kms";
    const [status, content] = isSigned
      ? trouble === null
        ? served(asked)
        : refusal(trouble.type, trouble.status, trouble.message)
      : refusal("InvalidSignatureException");
    // Whoever follows it with a status of 3xx is seen to come again.
    const type = "application/x-amz-json-1.1";
    response.writeHead(status, { "content-type": type, location: "/elsewhere" });
    response.end(JSON.stringify(content));
  }

  function served(asked: KmsRequest): [status: number, content: object] {
    const KeyId = asked.KeyId === alias ? key : asked.KeyId;
    const secret = secrets.get(KeyId);
    if (secret === undefined) return refusal("NotFoundException");
    const context = JSON.stringify(Object.entries(asked.EncryptionContext ?? {}).sort());
    if (asked.action === "Decrypt") {
      const blob = Buffer.from(asked.CiphertextBlob ?? "", "base64");
      if (!blob.includes(KeyId)) return refusal("IncorrectKeyException");
      const opened = decrypted(secret, blob.subarray(KeyId.length), context);
      if (opened === null) return refusal("InvalidCiphertextException");
      return [200, { KeyId, Plaintext: opened.toString("base64") }];
    }
    const plaintext =
      asked.action === "Encrypt"
        ? Buffer.from(asked.Plaintext ?? "", "base64")
        : randomBytes(asked.NumberOfBytes ?? 0);
    const blob = Buffer.concat([Buffer.from(KeyId), encrypted(secret, plaintext, context)]);
    return [200, { KeyId, CiphertextBlob: blob.toString("base64") }];
  }
  return fake;
}

const refusal = (type: string, status = 400, message = ""): [number, object] => [
  status,
  { __type: type, message },
];

function encrypted(key: Buffer, plaintext: Buffer, context: string): Buffer {
  const iv = randomBytes(12);
  const cipher = createCipheriv("aes-256-gcm", key, iv).setAAD(Buffer.from(context));
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final()]);
  return Buffer.concat([iv, cipher.getAuthTag(), ciphertext]);
}

function decrypted(key: Buffer, sealed: Buffer, context: string): Buffer | null {
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(0, 12));
  decipher.setAAD(Buffer.from(context)).setAuthTag(sealed.subarray(12, 28));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]);
  } catch {
    return null;
  }
}
