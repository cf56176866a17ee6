-- In: all_events (`events` without a span). Out: one row that says what lies before and after the log's span.
SELECT
  count(CASE WHEN time_ms < {first_ms} THEN 1 END) AS before,
  min(CASE WHEN time_ms < {first_ms} THEN seq END) AS before_seq,
  min(CASE WHEN time_ms < {first_ms} THEN time_ms END) AS before_ms,
  count(CASE WHEN time_ms >= {first_ms} AND greatest(time_ms, received_ms) >= {over_ms} THEN 1 END) AS after,
  min(CASE WHEN time_ms >= {first_ms} AND greatest(time_ms, received_ms) >= {over_ms} THEN seq END) AS after_seq,
  max(CASE WHEN time_ms >= {first_ms} THEN greatest(time_ms, received_ms) END) AS after_ms
FROM all_events
