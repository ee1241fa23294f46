-- The geo service finds a session by the whole primary key; by a part of it, every row of the tenant would be passed.
grant select (user_id) on user_sessions to vigie_geo;
