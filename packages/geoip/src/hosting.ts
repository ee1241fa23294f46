/**
 * Autonomous systems of operators that give no access to people, as far as their name does not tell. Source: the networks
 * of the VPN and hosting samples of X4BNet/lists_vpn (MIT), and the operators' other systems, by number and name in the
 * npm package @ip-location-db/asn.
 */

/** VPNs, and those who carry most of their exits: they stand for nobody. */
const vpns =
  "9009 51332 60068 211612 136787 141039 147049 207137 11878 62371 199218 208172 209103 39351 216025 206804 30058 " +
  "396356 198571 200373 17243 209854";

/**
 * Content networks, secure gateways, clouds and hosting companies. Told of like VPNs, but positions all the same: whole
 * companies go out by them, and some resell access, so their users would never be found travelling.
 */
const servers =
  "13335 209242 54113 16625 20940 36183 22616 62044 212238 7578 137409 62240 25369 58325 34989 " +
  "8987 14618 16509 8075 396982 31898 45102 134963 132203 133478 55990 136907 14061 48337 63949 20473 21859 " +
  "16276 24940 212317 213230 7203 16265 28753 30633 59253 60626 60781 133752 134351 136988 395954 396362 12876 " +
  "40021 51167 141995 8560 47583 204915 18978 3223 203020 133499 134450 207990 396931 29802 42708 8100 40676 " +
  "36352 22384 46562 19318 49981 43350 50867 57043 8849 56630 53667 197540 25697 202053 23470 46844 35916 " +
  "199524 202422 7979 210644 216246 37153 46475 26496";

const numbersOf = (list: string): ReadonlySet<number> => new Set(list.split(" ").map(Number));
const vpnNumbers = numbersOf(vpns);
const serverNumbers = numbersOf(servers);

export const isVpnSystem = (asn: number | null): boolean => asn !== null && vpnNumbers.has(asn);

export const isServerSystem = (asn: number | null): boolean =>
  asn !== null && serverNumbers.has(asn);
