import { TwoGenerations } from "@vigie/geoip/two-generations";
import Bowser from "bowser";
import type { UserAgent } from "./signals.ts";

/** Distinct headers kept: a fleet has some thousands. */
const HEADERS_MAX = 4_096;

/** Parses User-Agent headers, each distinct one once while it is in use. */
export function userAgentParser(): (header: string) => UserAgent {
  const known = new TwoGenerations<string, UserAgent>(HEADERS_MAX);
  return (header) => {
    let agent = known.get(header);
    if (agent === undefined) {
      agent = parse(header);
      known.set(header, agent);
    }
    return agent;
  };
}

const nothing: UserAgent = { os: "", osVersion: "", browser: "", browserVersion: "", platform: "" };

function parse(header: string): UserAgent {
  // bowser refuses an empty header.
  if (header === "") return nothing;
  const { os, browser, platform } = Bowser.parse(header);
  return {
    os: os.name ?? "",
    osVersion: os.version ?? "",
    browser: browser.name ?? "",
    browserVersion: browser.version ?? "",
    platform: platform.type ?? "",
  };
}
