-- GEO-05, GEO-06: the countries, one row each. No tenant's: all see the same.
create table molam_country_matrix (
  country_code char(2) primary key check (country_code ~ '^[A-Z]{2}$'),
  country_name varchar(64) not null,
  phone_prefix varchar(4) not null,
  phone_example varchar(32) not null,
  phone_regex varchar(200) not null,
  currency_code char(3) not null,
  currency_symbol varchar(8) not null,
  timezones text[] not null,
  default_timezone varchar(64) not null check (default_timezone = any (timezones)),
  supported_locales text[] not null,
  default_locale varchar(16) not null check (default_locale = any (supported_locales)),
  ussd_prefix varchar(64) check ((ussd_prefix is not null) = supports_ussd),
  ussd_gateway_url varchar(512),
  is_active boolean not null,
  supports_ussd boolean not null,
  supports_mobile_money boolean not null,
  -- carriers [{name, mncs, asns}], mcc [numbers], capital.
  metadata jsonb not null,
  version bigint not null default 1 check (version > 0),
  updated_at timestamp(3) not null default (now() at time zone 'utc'),
  updated_by varchar(128) not null default 'vigie'
);

-- Every instance keeps the matrix in memory and reads it again when it hears this.
create function tell_countries_changed() returns trigger
  language plpgsql
  as $$
begin
  perform pg_notify('vigie_countries_' || md5(tg_table_schema), '');
  return null;
end
$$;
create trigger countries_changed
  after insert or update or delete or truncate on molam_country_matrix
  for each statement execute function tell_countries_changed();

grant select, insert, update on molam_country_matrix to vigie_geo;

insert into molam_country_matrix
  (country_code, country_name, phone_prefix, phone_example, phone_regex, currency_code, currency_symbol,
   timezones, default_timezone, supported_locales, default_locale, ussd_prefix, is_active, supports_ussd,
   supports_mobile_money, metadata)
values
  ('SN', 'Sénégal', '+221', '+221 77 123 45 67', '^\+2217\d{8}$',
    'XOF', 'CFA', '{Africa/Dakar}', 'Africa/Dakar', '{fr_SN,wo_SN}', 'fr_SN',
    '*131#', true, true, true,
    '{"mcc":[608],"capital":"Dakar","carriers":[{"name":"Orange","mncs":[1],"asns":[8346]},{"name":"Free","mncs":[2],"asns":[37649]},{"name":"Expresso","mncs":[3],"asns":[37196]}]}'),
  ('CI', 'Côte d''Ivoire', '+225', '+225 07 01 23 4567', '^\+2250[157]\d{8}$',
    'XOF', 'CFA', '{Africa/Abidjan}', 'Africa/Abidjan', '{fr_CI}', 'fr_CI',
    '*131#', true, true, true,
    '{"mcc":[612],"capital":"Yamoussoukro","carriers":[{"name":"Moov","mncs":[2],"asns":[37190]},{"name":"Orange","mncs":[3],"asns":[29571]},{"name":"MTN","mncs":[5],"asns":[36974]}]}'),
  ('GH', 'Ghana', '+233', '+233 24 123 4567', '^\+233[25]\d{8}$',
    'GHS', '₵', '{Africa/Accra}', 'Africa/Accra', '{en_GH,ak_GH,ee_GH}', 'en_GH',
    '*131#', true, true, true,
    '{"mcc":[620],"capital":"Accra","carriers":[{"name":"MTN","mncs":[1],"asns":[30986]},{"name":"Vodafone","mncs":[2],"asns":[29614]},{"name":"AirtelTigo","mncs":[3,6],"asns":[37140,37030]}]}'),
  ('NG', 'Nigeria', '+234', '+234 802 123 4567', '^\+234[789][012]\d{8}$',
    'NGN', '₦', '{Africa/Lagos}', 'Africa/Lagos', '{en_NG,ha_NG,ig_NG,yo_NG}', 'en_NG',
    '*131#', true, true, true,
    '{"mcc":[621],"capital":"Abuja","carriers":[{"name":"Airtel","mncs":[20],"asns":[36873]},{"name":"MTN","mncs":[30],"asns":[29465]},{"name":"Glo","mncs":[50],"asns":[37148]},{"name":"9mobile","mncs":[60],"asns":[37076]}]}'),
  ('FR', 'France', '+33', '+33 6 12 34 56 78', '^\+33[67]\d{8}$',
    'EUR', '€', '{Europe/Paris}', 'Europe/Paris', '{fr_FR}', 'fr_FR',
    null, true, false, false,
    '{"mcc":[208],"capital":"Paris","carriers":[{"name":"Orange","mncs":[1,2],"asns":[]},{"name":"SFR","mncs":[8,9,10,11,13],"asns":[]},{"name":"Free","mncs":[15,16,35,36],"asns":[51207]},{"name":"Bouygues","mncs":[20,88],"asns":[]}]}'),
  ('ML', 'Mali', '+223', '+223 65 01 23 45', '^\+223[256789]\d{7}$',
    'XOF', 'CFA', '{Africa/Bamako}', 'Africa/Bamako', '{fr_ML,bm_ML}', 'fr_ML',
    '*131#', false, true, true,
    '{"mcc":[610],"capital":"Bamako","carriers":[{"name":"Malitel","mncs":[1],"asns":[]},{"name":"Orange","mncs":[2],"asns":[30985]},{"name":"Telecel","mncs":[3],"asns":[328253]}]}'),
  ('BF', 'Burkina Faso', '+226', '+226 70 12 34 56', '^\+226[04567]\d{7}$',
    'XOF', 'CFA', '{Africa/Ouagadougou}', 'Africa/Ouagadougou', '{fr_BF}', 'fr_BF',
    '*131#', false, true, true,
    '{"mcc":[613],"capital":"Ouagadougou","carriers":[{"name":"Telmob","mncs":[1],"asns":[25543]},{"name":"Orange","mncs":[2],"asns":[37577]},{"name":"Telecel Faso","mncs":[3],"asns":[37526]}]}'),
  ('TG', 'Togo', '+228', '+228 90 11 23 45', '^\+228[79]\d{7}$',
    'XOF', 'CFA', '{Africa/Lome}', 'Africa/Lome', '{fr_TG,ee_TG}', 'fr_TG',
    '*131#', false, true, true,
    '{"mcc":[615],"capital":"Lomé","carriers":[{"name":"Togo Cell","mncs":[1],"asns":[24691]},{"name":"Moov","mncs":[3],"asns":[37229]}]}'),
  ('BJ', 'Bénin', '+229', '+229 01 95 12 34 56', '^\+22901\d{8}$',
    'XOF', 'CFA', '{Africa/Porto-Novo}', 'Africa/Porto-Novo', '{fr_BJ,yo_BJ}', 'fr_BJ',
    '*131#', false, true, true,
    '{"mcc":[616],"capital":"Porto-Novo","carriers":[{"name":"Moov","mncs":[2],"asns":[37136]},{"name":"MTN","mncs":[3],"asns":[37424]}]}');
