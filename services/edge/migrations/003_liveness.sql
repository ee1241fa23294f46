-- Whether a row is new enough to say that a session lives.
grant select on sink_offsets to vigie_edge;
