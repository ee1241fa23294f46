-- A version of a policy never changes; an erased person's name may go from it.
revoke update on session_policy_changes from vigie_session_sink;
grant update (actor_id) on session_policy_changes to vigie_session_sink;
