-- In: clicked, conversions, view_through. Out: what followed an impression, one row for each that something followed, and the
-- moments at which the log had it.
WITH first_conversion AS (
  SELECT impression_seq, min(conversion_ms) AS conversion_ms, min(received_ms) AS conversion_received_ms
  FROM conversions
  WHERE in_window = 1
  GROUP BY impression_seq
)
SELECT
  clicked.impression_seq, clicked.click_ms, clicked.click_received_ms, clicked.dwell_ms, first_conversion.conversion_ms,
  first_conversion.conversion_received_ms
FROM clicked
LEFT JOIN first_conversion ON first_conversion.impression_seq = clicked.impression_seq
UNION ALL
SELECT
  impression_seq, CAST(NULL AS BIGINT) AS click_ms, CAST(NULL AS BIGINT) AS click_received_ms, CAST(NULL AS BIGINT) AS dwell_ms,
  min(conversion_ms) AS conversion_ms, min(received_ms) AS conversion_received_ms
FROM view_through
GROUP BY impression_seq
