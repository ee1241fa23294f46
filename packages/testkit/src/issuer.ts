import { generateKeyPairSync, sign } from "node:crypto";

/** An issuer of its own: an RSA key pair, and tokens signed by hand. Source: RFC 7515, RFC 7518 section 3.3. */
export interface TestIssuer {
  readonly publicKeyPem: string;
  /** PKCS #8, for a script that signs tokens itself. */
  readonly privateKeyPem: string;
  token(claims: Readonly<Record<string, unknown>>): string;
}

const part = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");

export function createIssuer(): TestIssuer {
  const { privateKey, publicKey } = generateKeyPairSync("rsa", { modulusLength: 2_048 });
  return {
    publicKeyPem: publicKey.export({ type: "spki", format: "pem" }).toString(),
    privateKeyPem: privateKey.export({ type: "pkcs8", format: "pem" }).toString(),
    token(claims) {
      const nowS = Math.floor(Date.now() / 1_000);
      const standard = {
        iss: "https://id.molam.example",
        aud: "molam-id",
        iat: nowS,
        exp: nowS + 3_600,
        type: "access",
      };
      const signed = `${part({ alg: "RS256", typ: "JWT" })}.${part({ ...standard, ...claims })}`;
      const signature = sign("sha256", Buffer.from(signed), privateKey).toString("base64url");
      return `${signed}.${signature}`;
    },
  };
}
