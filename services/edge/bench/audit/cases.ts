import { createHash } from "node:crypto";
import { adminRef } from "./fill.ts";

/** A call of an auditor. */
export interface Case {
  readonly name: string;
  readonly url: string;
  /** Also of all tenants. */
  readonly platform?: true;
}

const ROOT = "/api/id/admin/audit";

/** Source: fill.ts. */
const md5Uuid = (text: string): string =>
  createHash("md5")
    .update(text)
    .digest("hex")
    .replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");

export function casesOf({ leaves, nowMs }: { readonly leaves: number; readonly nowMs: number }) {
  const ago = (share: number): string =>
    new Date(nowMs - Math.floor(leaves * share) * 1_000).toISOString();
  const search = (name: string, query: string): Case => ({
    name: `search: ${name}`,
    url: `${ROOT}?${query}`,
  });
  const ofAll = (name: string, query: string): Case => ({
    name: `search in all tenants: ${name}`,
    url: `${ROOT}?tenant=*&${query}`,
    platform: true,
  });
  const cases: readonly Case[] = [
    search("nothing asked", ""),
    search("nothing asked, 200", "limit=200"),
    search("user", `subject=${md5Uuid("user|3")}`),
    search("administrator", `actor=${adminRef(0)}`),
    search("administrator who does little", `actor=${adminRef(199)}`),
    search("service", "actor=sessions"),
    search("action", "action=session.revoked"),
    search("rare action", "action=policy.updated"),
    search("impersonation", "impersonation=true"),
    search("a tenth of the time, long ago", `from=${ago(0.9)}&to=${ago(0.8)}`),
    search("administrator and action", `actor=${adminRef(1)}&action=policy.updated`),
    search("nobody has it", "action=policy.updated&impersonation=true&subject=nobody"),
    search("action, not impersonated", "action=policy.updated&impersonation=false"),
    ofAll("nothing asked", ""),
    ofAll("action", "action=policy.updated"),
    ofAll("ref", `actor=${adminRef(199)}`),
    { name: "entry", url: `${ROOT}/entries/${2 * Math.floor(leaves / 3)}` },
    { name: "checkpoint", url: `${ROOT}/checkpoint` },
    { name: "inclusion proof", url: `${ROOT}/proofs/inclusion?index=${Math.floor(leaves / 3)}` },
    {
      name: "consistency proof",
      url: `${ROOT}/proofs/consistency?first=${Math.floor(leaves / 3)}`,
    },
    { name: "tile", url: `${ROOT}/tile/0/001` },
    { name: "export of a minute, of one tenant", url: exportOf(`from=${ago(60 / leaves)}`) },
  ];
  return cases;
}

const exportOf = (query: string): string => `${ROOT}/export?${query}`;
