-- In: raw. Out: the rows that repeat another one: of one event_id, or without one of one user, item, action and time, all but
-- the first received. The column `seq` names a row.
SELECT seq
FROM (
  SELECT seq, row_number() OVER (PARTITION BY event_id ORDER BY coalesce(received_at, "timestamp"), seq) AS copy
  FROM raw
  WHERE event_id IS NOT NULL
) AS identified
WHERE copy > 1
UNION ALL
SELECT seq
FROM (
  SELECT
    seq,
    row_number() OVER (
      PARTITION BY user_id, item_id, action, "timestamp" ORDER BY coalesce(received_at, "timestamp"), seq
    ) AS copy
  FROM raw
  WHERE event_id IS NULL
) AS anonymous
WHERE copy > 1
