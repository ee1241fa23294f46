-- That an erasure is done is said by the sink of itself, and of those who tell it on a topic.
alter policy sink_writes on erasure_parts
  with check (part in ('session-sink', 'sessions', 'detector'));
