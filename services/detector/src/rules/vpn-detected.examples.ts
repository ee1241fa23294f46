import { addressOf, type Example, geo, heartbeat, login } from "./example.ts";

const of = (organisation: string) => ({
  address: addressOf({ organisation, asn: 64_500, country: "NL" }),
});
const vpn = { ...of("Nord VPN S.A."), sessionId: "s-1" };

export const examples: readonly Example[] = [
  ...["Some VPN", "Free Proxy Ltd", "OVH Hosting", "Paris DataCenter", "Alibaba Cloud"].map(
    (organisation): Example => ({
      name: `ANO-10: an address of ${organisation} fires`,
      given: [],
      when: login("10:00", { ...of(organisation), sessionId: "s-1" }),
      finds: [
        {
          sessionId: "s-1",
          evidence: { organisation, by: "word", asn: "64500", ip_country: "NL" },
          says: "from the network of a carrier or company it would not have fired",
        },
      ],
    }),
  ),
  { name: "a carrier's does not", given: [], when: login("10:00", of("SONATEL-AS")), finds: [] },
  { name: "an unknown address does not", given: [], when: login("10:00"), finds: [] },
  {
    name: "a satellite hides nobody",
    given: [],
    when: login("10:00", of("SpaceX Starlink")),
    finds: [],
  },
  {
    name: "ANO-05: a captured location is checked too",
    given: [],
    when: geo("10:00", vpn),
    finds: [{}],
  },
  {
    name: "a session is told of once",
    given: [login("10:00", vpn)],
    when: heartbeat("10:01", vpn),
    finds: [],
  },
  {
    name: "the next session is told of again, since it may be asked for a second factor",
    given: [login("10:00", vpn)],
    when: login("11:00", { ...vpn, sessionId: "s-2" }),
    finds: [{ sessionId: "s-2" }],
  },
  {
    name: "an operator of servers is one whatever its name",
    given: [],
    when: login("10:00", { address: addressOf({ organisation: "Datacamp Limited", asn: 60_068 }) }),
    finds: [{ evidence: { by: "list", asn: "60068" }, says: "which is listed" }],
  },
  {
    name: "the policy names more",
    given: [],
    when: login("10:00", of("Some Tunnels SRL")),
    policy: { vpn_networks: { organisations: ["some tunnels"] } },
    finds: [{ evidence: { by: "list" } }],
  },
];
