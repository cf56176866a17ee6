-- In: events, known, labels. Out: every impression with its labels and the number of its user's events that it may see, by time.
-- What an impression may see is the beginning of a history, and its end is a count along one line of impressions and known events.
-- An impression that the log had before its own time was shown by then.
WITH shown AS (
  SELECT
    events.user_id, events.item_id, events.time_ms, events.received_ms, events.seq, events.request_id, events.slot,
    events.surface, events.propensity{context}, labels.click_ms, labels.click_received_ms, labels.dwell_ms,
    labels.conversion_ms, labels.conversion_received_ms
  FROM labels
  RIGHT JOIN events ON labels.impression_seq = events.seq
  WHERE events.action = 'impression'
),
line AS (
  SELECT
    user_id, least(time_ms, received_ms) AS line_ms, 0 AS is_event, item_id, time_ms, seq, request_id,
    slot, surface, propensity{context}, click_ms, click_received_ms, dwell_ms, conversion_ms, conversion_received_ms
  FROM shown
  UNION ALL
  SELECT
    user_id, known_at AS line_ms, 1 AS is_event, NULL AS item_id, NULL AS time_ms, NULL AS seq, NULL AS request_id,
    NULL AS slot, NULL AS surface, NULL AS propensity{no_context}, NULL AS click_ms,
    NULL AS click_received_ms, NULL AS dwell_ms, NULL AS conversion_ms, NULL AS conversion_received_ms
  FROM known
),
counted AS (
  SELECT
    is_event, user_id, item_id, time_ms, seq, request_id, slot, surface, propensity{context}, click_ms,
    click_received_ms, dwell_ms, conversion_ms, conversion_received_ms,
    count(CASE WHEN is_event = 1 THEN 1 END) OVER (
      PARTITION BY user_id ORDER BY line_ms, is_event ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS history_end
  FROM line
)
SELECT
  user_id, item_id, time_ms, seq, history_end, click_ms, click_received_ms, conversion_ms, conversion_received_ms, dwell_ms,
  request_id, surface, slot, propensity{context}
FROM counted
WHERE is_event = 0
ORDER BY time_ms, seq
