-- A session that is asked for is compared by the name that its source gave it, in geo as well.
grant select (session_key) on user_sessions to vigie_geo;
