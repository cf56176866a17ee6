-- In: events. Out: one row that describes the log without its duplicates.
SELECT
  count(*) AS events,
  count(CASE WHEN action = 'impression' THEN 1 END) AS impressions,
  count(CASE WHEN stated_ms <> time_ms THEN 1 END) AS skewed,
  count(CASE WHEN received_ms - time_ms > {late_ms} THEN 1 END) AS late,
  min(time_ms) AS log_start_ms,
  max(greatest(time_ms, received_ms)) AS log_end_ms
FROM events
