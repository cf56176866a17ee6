-- In: raw. Out: one row that tells whether every value is within its limits.
SELECT
  count(*) AS log_rows,
  count(CASE WHEN user_id <> '' THEN 1 END) AS user_id, count(CASE WHEN item_id <> '' THEN 1 END) AS item_id,
  count(CASE WHEN action <> '' THEN 1 END) AS action, count("timestamp") AS "timestamp", count(seq) AS seq,
  count(event_id) AS event_id,
  min("timestamp") AS first_ms, max("timestamp") AS last_ms,
  min(received_at) AS first_received_ms, max(received_at) AS last_received_ms,
  min(dwell_ms) AS least_dwell_ms, max(dwell_ms) AS most_dwell_ms,
  min(slot) AS first_slot, max(slot) AS last_slot,
  count(CASE WHEN propensity > 0 AND propensity <= 1 THEN 1 END) AS possible, count(propensity) AS propensity,
  count(CASE WHEN action = 'impression' THEN 1 END) AS impressions,
  count(DISTINCT CASE WHEN action <> 'impression' THEN action END) AS actions,
  count(DISTINCT CASE WHEN action = 'impression' THEN surface END) AS surfaces
FROM raw
