-- In: events, clicked, conversions. Out: every conversion without a click in its window whose user saw the item within the
-- view-through window and did not click: with the last such impression.
WITH open AS (
  SELECT conversion_seq AS seq, user_id, item_id, conversion_ms AS time_ms
  FROM conversions
  WHERE in_window = 0 AND {view_through_ms} > 0
),
pairs AS (
  SELECT DISTINCT user_id, item_id
  FROM open
),
stream AS (
  SELECT pairs.user_id, pairs.item_id, events.time_ms, 0 AS is_conversion, events.seq
  FROM pairs
  JOIN events ON events.user_id = pairs.user_id AND events.item_id = pairs.item_id
  WHERE events.action = 'impression'
  UNION ALL
  SELECT user_id, item_id, time_ms, 1 AS is_conversion, seq
  FROM open
),
numbered AS (
  SELECT
    user_id, item_id, time_ms, is_conversion, seq,
    count(CASE WHEN is_conversion = 0 THEN 1 END) OVER (
      PARTITION BY user_id, item_id ORDER BY time_ms, is_conversion, seq
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS nth
  FROM stream
),
last_before AS (
  SELECT
    seq, time_ms, is_conversion,
    max(CASE WHEN is_conversion = 0 THEN seq END) OVER (
      PARTITION BY user_id, item_id, nth ORDER BY time_ms, is_conversion, seq
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS impression_seq,
    max(CASE WHEN is_conversion = 0 THEN time_ms END) OVER (
      PARTITION BY user_id, item_id, nth ORDER BY time_ms, is_conversion, seq
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS impression_ms
  FROM numbered
)
SELECT last_before.seq AS conversion_seq, last_before.impression_seq, last_before.time_ms AS conversion_ms
FROM last_before
LEFT JOIN clicked ON clicked.impression_seq = last_before.impression_seq
WHERE last_before.is_conversion = 1
  AND last_before.time_ms - last_before.impression_ms <= {view_through_ms}
  AND clicked.impression_seq IS NULL
