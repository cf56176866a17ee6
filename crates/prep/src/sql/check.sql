-- In: raw. Out: one row that tells whether every value is within its limits.
SELECT
  count(*) AS log_rows,
  count(user_id) AS user_id, count(item_id) AS item_id, count(action) AS action, count("timestamp") AS "timestamp",
  count(seq) AS seq,
  min("timestamp") AS first_ms, max("timestamp") AS last_ms,
  min(received_at) AS first_received_ms, max(received_at) AS last_received_ms,
  min(dwell_ms) AS least_dwell_ms, max(dwell_ms) AS most_dwell_ms,
  min(slot) AS first_slot, max(slot) AS last_slot,
  count(CASE WHEN propensity > 0 AND propensity <= 1 THEN 1 END) AS possible, count(propensity) AS propensity,
  count(CASE WHEN action = 'impression' THEN 1 END) AS impressions
FROM raw
