-- In: events. Out: clicks and conversions, each with the impression of its own user and item that it names, if the log
-- has it. The few rows that all further steps begin with, so that they need not read the log for them.
SELECT
  acts.seq, acts.user_id, acts.item_id, acts.action, acts.event_id, acts.parent_event_id, acts.time_ms, acts.received_ms,
  acts.dwell_ms,
  shown.seq AS named_seq, shown.time_ms AS named_ms
FROM (
  SELECT
    seq, user_id, item_id, action, event_id, CASE WHEN {ignore_parents} = 0 THEN parent_event_id END AS parent_event_id, time_ms,
    received_ms, dwell_ms
  FROM events
  WHERE action IN ('click', 'conversion')
) AS acts
LEFT JOIN (
  SELECT seq, user_id, item_id, event_id, time_ms
  FROM events
  WHERE action = 'impression'
) AS shown
  ON shown.event_id = acts.parent_event_id AND shown.user_id = acts.user_id AND shown.item_id = acts.item_id
