-- In: events, acts. Out: the last impression of an item that a user saw before a click that names none and, if views count, before
-- a conversion. `nth` numbers the impressions of a user and an item, so what carries one number followed one impression.
WITH asked AS (
  SELECT seq, user_id, item_id, time_ms
  FROM acts
  WHERE (action = 'click' AND parent_event_id IS NULL) OR (action = 'conversion' AND {view_through_ms} > 0)
),
pairs AS (
  SELECT DISTINCT user_id, item_id
  FROM asked
),
stream AS (
  SELECT pairs.user_id, pairs.item_id, events.time_ms, 0 AS is_act, events.seq
  FROM pairs
  JOIN events ON events.user_id = pairs.user_id AND events.item_id = pairs.item_id
  WHERE events.action = 'impression'
  UNION ALL
  SELECT user_id, item_id, time_ms, 1 AS is_act, seq
  FROM asked
),
numbered AS (
  SELECT
    user_id, item_id, time_ms, is_act, seq,
    count(CASE WHEN is_act = 0 THEN 1 END) OVER (
      PARTITION BY user_id, item_id ORDER BY time_ms, is_act, seq ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS nth
  FROM stream
),
last_before AS (
  SELECT
    seq, is_act,
    max(CASE WHEN is_act = 0 THEN seq END) OVER (PARTITION BY user_id, item_id, nth) AS shown_seq,
    max(CASE WHEN is_act = 0 THEN time_ms END) OVER (PARTITION BY user_id, item_id, nth) AS shown_ms
  FROM numbered
)
SELECT seq, shown_seq, shown_ms
FROM last_before
WHERE is_act = 1 AND shown_seq IS NOT NULL
