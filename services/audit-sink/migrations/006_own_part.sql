-- That an erasure is done is said by the audit of itself only.
alter policy audit_sink_tells on erasure_parts with check (part = 'audit-sink');
