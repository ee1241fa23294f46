-- CNF-26: that a person erased where they were is on their record, so that what comes late brings no place back.
alter table molam_geo_events
  drop constraint molam_geo_events_event_type_check,
  add constraint molam_geo_events_event_type_check check (event_type in (
    'location_captured', 'country_mismatch', 'vpn_detected', 'impossible_travel', 'ussd_routed',
    'currency_switched', 'timezone_updated', 'location_erased'));
