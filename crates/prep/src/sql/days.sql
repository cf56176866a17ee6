-- In: raw. Out: rows by action, by the day on which they happened and the day on which the log knew of them, each as its first
-- moment. Clocks are corrected as in `events`.
SELECT
  action,
  time_ms - (time_ms - {origin_ms}) % {day_ms} AS happened_ms,
  known_ms - (known_ms - {origin_ms}) % {day_ms} AS known_ms,
  count(*) AS log_rows
FROM (
  SELECT
    action,
    CASE WHEN "timestamp" - received_at > {clock_tolerance_ms} THEN received_at ELSE "timestamp" END AS time_ms,
    CASE WHEN received_at > "timestamp" THEN received_at
      WHEN "timestamp" - received_at > {clock_tolerance_ms} THEN received_at
      ELSE "timestamp" END AS known_ms
  FROM raw
) AS timed
GROUP BY 1, 2, 3
