import type { Point } from "./geo.ts";

/** A country as far as it matters to a position that is known no better. */
export interface CountryExtent {
  readonly centre: Point;
  /** From the centre to the country's furthest point. */
  readonly radiusKm: number;
}

/**
 * Centre (latitude, longitude) and radius by ISO 3166-1 alpha-2.
 * Source: Natural Earth 1:50m, admin 0 countries (public domain), as in world-atlas 2.0.2: centroid of the land on the
 * sphere to 0.1 degrees, great circle from there to the furthest vertex, rounded up to 10 km. Overseas parts with a code
 * of their own count as that (GF, GP, MQ, RE, YT, BQ, SJ, TK); uninhabited far islands of South Africa are left out.
 */
const table =
  "AD 42.5 1.6 20|AE 23.9 54.3 310|AF 33.8 65.9 900|AG 17.3 -61.8 50|AI 18.2 -63.1 20|" +
  "AL 41.1 20.1 180|AM 40.3 44.9 210|AO -12.3 17.5 1030|AQ -77.4 -71.4 4170|" +
  "AR -34.7 -64.8 2270|AS -14.3 -170.7 20|AT 47.6 14.1 350|AU -25.8 134.3 3800|" +
  "AW 12.5 -70 20|AX 60.2 20 40|AZ 40.3 47.5 250|BA 44.2 17.8 200|BB 13.2 -59.6 20|" +
  "BD 23.9 90.2 410|BE 50.6 4.6 160|BF 12.3 -1.8 460|BG 42.8 25.2 300|BH 26 50.5 30|" +
  "BI -3.4 29.9 140|BJ 9.6 2.3 390|BL 17.9 -62.8 10|BM 32.3 -64.8 20|BN 4.5 114.7 80|" +
  "BO -16.7 -64.7 830|BQ 12.8 -67.7 740|BR -10.6 -53.2 2580|BS 24.3 -76.6 520|" +
  "BT 27.4 90.4 180|BW -22.2 23.8 610|BY 53.5 28 380|BZ 17.2 -88.7 160|CA 60.4 -96.5 3180|" +
  "CD -2.9 23.6 1360|CF 6.6 20.5 790|CG -0.8 15.2 620|CH 46.8 8.2 190|CI 7.6 -5.6 430|" +
  "CK -21.2 -159.8 10|CL -36.1 -71.1 3740|CM 5.7 12.7 840|CN 36.7 103.4 2850|" +
  "CO 3.9 -73.1 970|CR 10 -84.2 260|CU 21.6 -79 610|CV 16 -24 190|CW 12.2 -69 40|" +
  "CY 35 33.2 150|CZ 49.7 15.3 260|DE 51.1 10.4 460|DJ 11.7 42.6 130|DK 56 10 340|" +
  "DM 15.4 -61.4 30|DO 18.9 -70.5 230|DZ 28.1 2.6 1140|EC -1.4 -78.7 1450|EE 58.7 25.5 230|" +
  "EG 26.5 29.9 870|EH 24.2 -12.3 620|ER 15.4 38.9 550|ES 40.2 -3.7 1920|ET 8.6 39.6 930|" +
  "FI 64.3 26.2 650|FJ -17.4 178.5 630|FK -51.7 -59.4 130|FM 7.5 153.3 1690|FO 62.1 -6.9 80|" +
  "FR 46.5 2.6 780|GA -0.6 11.8 380|GB 54 -2.8 770|GD 12.1 -61.7 20|GE 42.2 43.5 320|" +
  "GF 3.9 -53.2 240|GG 49.5 -2.6 10|GH 7.9 -1.2 390|GL 73.1 -41.8 1490|GM 13.5 -15.4 180|" +
  "GN 10.4 -10.9 460|GP 16.2 -61.5 50|GQ 1.7 10.3 290|GR 39 23 560|GS -54.5 -36.5 770|" +
  "GT 15.7 -90.4 270|GU 13.4 144.8 30|GW 12 -14.9 210|GY 4.8 -59 440|HK 22.4 114.1 40|" +
  "HM -53.1 73.5 30|HN 14.8 -86.6 380|HR 45.1 16.4 350|HT 18.9 -72.7 200|HU 47.2 19.4 280|" +
  "ID -2.3 117.2 2740|IE 53.2 -8.1 250|IL 31.5 35 230|IM 54.2 -4.5 30|IN 22.8 79.6 2350|" +
  "IO -7.3 72.4 20|IQ 33 43.8 570|IR 32.5 54.4 1210|IS 65 -18.6 280|IT 42.7 12.2 720|" +
  "JE 49.2 -2.1 20|JM 18.2 -77.3 120|JO 31.2 36.8 310|JP 37.5 137.7 1990|KE 0.6 37.8 620|" +
  "KG 41.5 74.5 500|KH 12.7 104.9 370|KI 0.9 -167.9 2520|KM -11.9 43.7 110|KN 17.3 -62.7 30|" +
  "KP 40.1 127.2 410|KR 36.4 127.8 390|KW 29.3 47.6 120|KY 19.4 -80.9 130|KZ 48.4 67.2 1520|" +
  "LA 18.5 103.8 590|LB 33.9 35.9 120|LC 13.9 -61 30|LI 47.1 9.5 20|LK 7.6 80.7 260|" +
  "LR 6.5 -9.3 310|LS -29.6 28.2 130|LT 55.3 23.9 200|LU 49.8 6.1 50|LV 56.9 24.9 260|" +
  "LY 27 18.1 1050|MA 29.8 -8.7 1250|MC 43.8 7.4 10|MD 47.2 28.5 200|ME 42.8 19.2 110|" +
  "MF 18.1 -63.1 20|MG -19.3 46.7 850|MH 7 170.3 600|MK 41.6 21.7 120|ML 17.3 -3.6 1030|" +
  "MM 21.1 96.5 1270|MN 47 103.1 1280|MO 22.2 113.5 10|MP 15.8 145.6 340|MQ 14.7 -61 40|" +
  "MR 20.2 -10.4 810|MS 16.7 -62.2 20|MT 35.9 14.4 30|MU -20.3 57.6 40|MV 3.7 73.5 70|" +
  "MW -13.2 34.3 450|MX 23.9 -102.2 1750|MY 3.8 109.7 1160|MZ -17.2 35.6 1140|" +
  "NA -22.1 17.2 970|NC -21.3 165.7 650|NE 17.4 9.3 1030|NF -29.1 167.9 20|NI 12.8 -85 320|" +
  "NL 52.3 5.6 200|NO 64 12.3 1180|NP 28.3 83.9 460|NR -0.5 166.9 10|NU -19 -169.9 20|" +
  "NZ -41.7 172.9 1250|OM 20.6 56.1 650|PA 8.5 -80.1 330|PE -9.1 -74.4 1130|" +
  "PF -14.7 -144.8 1010|PG -6.5 145.2 1190|PH 11.7 122.9 1030|PK 29.9 69.2 980|" +
  "PL 52.1 19.4 420|PM 46.9 -56.3 30|PN -24.4 -128.3 10|PR 18.2 -66.5 160|PS 31.9 35.2 120|" +
  "PT 39.6 -8.5 1950|PW 7.3 134.4 600|PY -23.2 -58.4 550|QA 25.3 51.2 100|RE -21.1 55.5 50|" +
  "RO 45.8 25 380|RS 44.2 20.8 250|RU 66 95.6 4350|RW -2 29.9 140|SA 24.1 44.7 1160|" +
  "SB -8.9 159.6 860|SC -4.7 55.5 20|SD 16 29.9 1060|SE 62.4 16.3 810|SG 1.4 103.8 30|" +
  "SH -12.4 -9.7 720|SI 46.1 14.8 150|SJ 78.8 18.3 500|SK 48.7 19.5 230|SL 8.6 -11.8 200|" +
  "SM 43.9 12.5 20|SO 6.1 45.8 990|SR 4.1 -55.9 280|SS 7.3 30.3 700|ST 0.4 6.7 170|" +
  "SV 13.7 -88.9 140|SX 18.1 -63.1 20|SY 35 38.5 430|SZ -26.6 31.5 100|TC 21.8 -72 40|" +
  "TD 15.3 18.6 950|TF -49.3 69.2 1350|TG 8.5 1 320|TH 15.1 101 1060|TJ 38.5 71 390|" +
  "TK -8.9 -171.9 100|TL -8.8 125.8 210|TM 39.1 59.4 660|TN 34.1 9.6 440|" +
  "TO -20.4 -174.8 230|TR 39.1 35.2 870|TT 10.5 -61.3 130|TW 23.7 121 290|TZ -6.3 34.8 780|" +
  "UA 49.2 31.3 680|UG 1.3 32.4 440|US 44.7 -103.6 5860|UY -32.8 -56 330|UZ 41.8 63.3 830|" +
  "VA 41.9 12.4 10|VC 13.2 -61.2 60|VE 7.1 -66.2 830|VG 18.5 -64.5 40|VI 18 -64.8 50|" +
  "VN 16.5 106.3 900|VU -16.2 167.7 510|WF -13.9 -177.3 150|WS -13.8 -172.2 90|" +
  "XK 42.6 20.9 90|YE 15.9 47.6 840|YT -12.8 45.1 30|ZA -29 25.3 950|ZM -13.5 27.8 730|" +
  "ZW -19 29.9 510";

/** The same centres; how far a GeoIP database was found to be off. Source: DESIGN, detector, impossible_travel. */
const measured = "SN 14.4 -14.5 380|NG 9.6 8.1 640";

const extents = new Map<string, CountryExtent>(
  `${table}|${measured}`.split("|").map((entry) => {
    const [code = "", lat, lon, radiusKm] = entry.split(" ");
    return [code, { centre: { lat: Number(lat), lon: Number(lon) }, radiusKm: Number(radiusKm) }];
  }),
);

/** Null for codes that no country in the table has. */
export const countryExtent = (code: string): CountryExtent | null => extents.get(code) ?? null;

/** The inhabited countries and territories of the table, in no order that matters. */
export const countryCodes = (): Iterable<string> => extents.keys();
