import type { Session, SessionContext } from "./state.ts";

/** What a session's context becomes with what a login says: the newer word counts, an older one fills gaps. */
export function withLogin(session: Session, login: SessionContext, newer: boolean): SessionContext {
  const [over, under] = newer ? [login, session] : [session, login];
  return {
    userType: over.userType === "UNKNOWN" ? under.userType : over.userType,
    orgId: over.orgId ?? under.orgId,
    roles: over.roles.length === 0 ? under.roles : over.roles,
    channel: over.channel === "UNKNOWN" ? under.channel : over.channel,
    deviceId: over.deviceId ?? under.deviceId,
    loginMethod: over.loginMethod ?? under.loginMethod,
    upstreamSessionRef: over.upstreamSessionRef ?? under.upstreamSessionRef,
    ...surroundings(over, under),
  };
}

/** A heartbeat may move a session (address, browser, place); who it belongs to and how it began, only a login says. */
export function withSighting(
  session: Session,
  sighting: SessionContext,
  newer: boolean,
): SessionContext {
  const [over, under] = newer ? [sighting, session] : [session, sighting];
  return { ...withLogin(session, sighting, false), ...surroundings(over, under) };
}

type Surroundings = Pick<
  SessionContext,
  "userAgent" | "ipPrefix" | "ipHash" | "ipHashKeyId" | "country" | "city"
>;

/** The parts of an address belong together, and so do those of a place. */
function surroundings(over: SessionContext, under: SessionContext): Surroundings {
  const { ipPrefix, ipHash, ipHashKeyId } = over.ipHash === null ? under : over;
  const { country, city } = over.country === null ? under : over;
  return {
    userAgent: over.userAgent ?? under.userAgent,
    ipPrefix,
    ipHash,
    ipHashKeyId,
    country,
    city,
  };
}
