-- In: acts, last_seen. Out: every click with its impression: the one it names, or, where it names none, the user's last one of the
-- item. A click is never before its impression, whatever the clocks say, as long as they are not further apart than the window.
SELECT
  click_seq, user_id, item_id, event_id, dwell_ms, impression_seq, received_ms,
  CASE WHEN impression_ms > time_ms THEN impression_ms ELSE time_ms END AS click_ms,
  CASE WHEN parent_event_id IS NULL THEN 0 ELSE 1 END AS is_named,
  CASE
    WHEN impression_seq IS NULL THEN 0
    WHEN abs(time_ms - impression_ms) <= {click_ms} THEN 1
    ELSE 0
  END AS in_window
FROM (
  SELECT
    acts.seq AS click_seq, acts.user_id, acts.item_id, acts.event_id, acts.parent_event_id, acts.time_ms, acts.received_ms,
    acts.dwell_ms,
    coalesce(acts.named_seq, last_seen.shown_seq) AS impression_seq,
    coalesce(acts.named_ms, last_seen.shown_ms) AS impression_ms
  FROM acts
  LEFT JOIN last_seen ON last_seen.seq = acts.seq
  WHERE acts.action = 'click'
) AS clicks
