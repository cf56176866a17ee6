-- In: raw. Out: the rows that repeat another one: of one event_id, or without one of one user, item, action and time, all but
-- the first received. The column `seq` names a row. What occurs more than once is found first, by counting, and only that is sorted.
WITH repeated_ids AS (
  SELECT event_id
  FROM raw
  WHERE event_id IS NOT NULL
  GROUP BY event_id
  HAVING count(*) > 1
),
repeated_rows AS (
  SELECT user_id, item_id, action, "timestamp"
  FROM raw
  WHERE event_id IS NULL AND {anonymous} = 1
  GROUP BY user_id, item_id, action, "timestamp"
  HAVING count(*) > 1
)
SELECT seq
FROM (
  SELECT
    raw.seq,
    row_number() OVER (
      PARTITION BY raw.event_id ORDER BY coalesce(raw.received_at, raw."timestamp"), raw.seq
    ) AS copy
  FROM repeated_ids
  JOIN raw ON raw.event_id = repeated_ids.event_id
) AS identified
WHERE copy > 1
UNION ALL
SELECT seq
FROM (
  SELECT
    raw.seq,
    row_number() OVER (
      PARTITION BY raw.user_id, raw.item_id, raw.action, raw."timestamp"
      ORDER BY coalesce(raw.received_at, raw."timestamp"), raw.seq
    ) AS copy
  FROM repeated_rows
  JOIN raw
    ON raw.user_id = repeated_rows.user_id AND raw.item_id = repeated_rows.item_id
    AND raw.action = repeated_rows.action AND raw."timestamp" = repeated_rows."timestamp"
  WHERE raw.event_id IS NULL AND {anonymous} = 1
) AS anonymous
WHERE copy > 1
