-- PRV-14: an event's own time may lie ahead of its arrival. When it came, of such a one; null of all others.
alter table session_activities add column arrived_at timestamp(3);
