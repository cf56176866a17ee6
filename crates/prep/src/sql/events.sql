-- In: raw, duplicates. Out (a view): every event once, those outside of the log's span left out. `time_ms` is when it happened, by
-- the user's clock unless that is ahead of the server's; `received_ms` is when the log had it.
SELECT
  seq, user_id, item_id, action, event_id, parent_event_id, dwell_ms, request_id, slot, surface, propensity, value{context},
  "timestamp" AS stated_ms,
  CASE WHEN "timestamp" - received_at > {clock_tolerance_ms} THEN received_at ELSE "timestamp" END AS time_ms,
  coalesce(received_at, "timestamp") AS received_ms
FROM raw
WHERE NOT EXISTS (SELECT 1 FROM duplicates WHERE duplicates.seq = raw.seq)
  AND CASE WHEN "timestamp" - received_at > {clock_tolerance_ms} THEN received_at ELSE "timestamp" END >= {first_ms}
  AND coalesce(received_at, "timestamp") < {over_ms}
  AND ("timestamp" < {over_ms} OR "timestamp" - received_at > {clock_tolerance_ms})
