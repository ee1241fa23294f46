-- PRV-14: whoever asks is told all that is held on them; only their password's hash stays inside.
grant select (email, is_verified, first_name, last_name, is_stub, created_at) on users to vigie_edge;
