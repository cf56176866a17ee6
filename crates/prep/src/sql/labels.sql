-- In: clicked, conversions, view_through. Out: what followed an impression, one row for each that something followed, and the
-- moments at which the log had it: of several conversions that counts which the log had first.
WITH numbered AS (
  SELECT
    impression_seq, conversion_ms, received_ms AS conversion_received_ms,
    row_number() OVER (PARTITION BY impression_seq ORDER BY received_ms, conversion_ms) AS nth
  FROM conversions
  WHERE in_window = 1
),
first_conversion AS (
  SELECT impression_seq, conversion_ms, conversion_received_ms
  FROM numbered
  WHERE nth = 1
)
SELECT
  clicked.impression_seq, clicked.click_ms, clicked.click_received_ms, clicked.dwell_ms, first_conversion.conversion_ms,
  first_conversion.conversion_received_ms
FROM clicked
LEFT JOIN first_conversion ON first_conversion.impression_seq = clicked.impression_seq
UNION ALL
SELECT
  impression_seq, CAST(NULL AS BIGINT) AS click_ms, CAST(NULL AS BIGINT) AS click_received_ms, CAST(NULL AS BIGINT) AS dwell_ms,
  conversion_ms, conversion_received_ms
FROM (
  SELECT
    impression_seq, conversion_ms, received_ms AS conversion_received_ms,
    row_number() OVER (PARTITION BY impression_seq ORDER BY received_ms, conversion_ms) AS nth
  FROM view_through
) AS viewed
WHERE nth = 1
