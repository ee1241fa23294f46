import { generateKeyPairSync } from "node:crypto";
import { importSPKI, jwtVerify } from "jose";
import { expect, test } from "vitest";
import { parseTtlS, signToken } from "./token.ts";

const { privateKey, publicKey } = generateKeyPairSync("rsa", {
  modulusLength: 2_048,
  privateKeyEncoding: { type: "pkcs8", format: "pem" },
  publicKeyEncoding: { type: "spki", format: "pem" },
});
const issuer = { privateKey, issuer: "https://id.molam.example", audience: "molam-id" };
const verify = async (token: string) =>
  jwtVerify(token, await importSPKI(publicKey, "RS256"), {
    issuer: issuer.issuer,
    audience: issuer.audience,
    algorithms: ["RS256"],
  });

test("a token carries the claims that were asked for, and no others", async () => {
  const token = await signToken(
    { tenant: "molam-sn", user: "u-1", scopes: ["events:write", "id:admin"], roles: [], ttlS: 60 },
    issuer,
  );
  const { payload } = await verify(token);
  const { iat, exp, ...claims } = payload;
  expect(claims).toEqual({
    sub: "u-1",
    tenant_id: "molam-sn",
    type: "access",
    scope: "events:write id:admin",
    iss: issuer.issuer,
    aud: issuer.audience,
  });
  expect(Number(exp) - Number(iat)).toBe(60);
});

test("session, roles, client and user type are optional", async () => {
  const asked = { sid: "s-1", roles: ["teller"], client: "web", userType: "INTERNAL" };
  const token = await signToken(
    { tenant: "molam-sn", user: "u-1", scopes: [], ...asked, ttlS: 60 },
    issuer,
  );
  const { payload } = await verify(token);
  expect(payload).toMatchObject({
    sid: "s-1",
    roles: ["teller"],
    client_id: "web",
    user_type: "INTERNAL",
  });
});

test.each([
  ["90", 90],
  ["90s", 90],
  ["15m", 900],
  ["8h", 28_800],
  ["30d", 2_592_000],
  ["0", null],
  ["-1", null],
  ["1w", null],
  ["soon", null],
])("a life of %s is %s seconds", (text, seconds) => {
  expect(parseTtlS(text)).toBe(seconds);
});
