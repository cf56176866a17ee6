-- In: events. Out: every click with its impression: the one it names, or, where it names none, the user's last one of the item.
-- A click is never before the impression that it names, whatever the clocks say.
WITH clicks AS (
  SELECT seq, user_id, item_id, event_id, parent_event_id, time_ms, dwell_ms
  FROM events
  WHERE action = 'click'
),
impressions AS (
  SELECT seq, user_id, item_id, event_id, time_ms
  FROM events
  WHERE action = 'impression'
),
named AS (
  SELECT clicks.seq AS click_seq, impressions.seq AS impression_seq, impressions.time_ms AS impression_ms
  FROM clicks
  JOIN impressions ON impressions.event_id = clicks.parent_event_id
),
pairs AS (
  SELECT DISTINCT user_id, item_id
  FROM clicks
  WHERE parent_event_id IS NULL
),
stream AS (
  SELECT pairs.user_id, pairs.item_id, impressions.time_ms, 0 AS is_click, impressions.seq
  FROM pairs
  JOIN impressions ON impressions.user_id = pairs.user_id AND impressions.item_id = pairs.item_id
  UNION ALL
  SELECT user_id, item_id, time_ms, 1 AS is_click, seq
  FROM clicks
  WHERE parent_event_id IS NULL
),
numbered AS (
  SELECT
    user_id, item_id, time_ms, is_click, seq,
    count(CASE WHEN is_click = 0 THEN 1 END) OVER (
      PARTITION BY user_id, item_id ORDER BY time_ms, is_click, seq ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS nth
  FROM stream
),
last_before AS (
  SELECT
    seq, is_click,
    max(CASE WHEN is_click = 0 THEN seq END) OVER (
      PARTITION BY user_id, item_id, nth ORDER BY time_ms, is_click, seq
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS impression_seq,
    max(CASE WHEN is_click = 0 THEN time_ms END) OVER (
      PARTITION BY user_id, item_id, nth ORDER BY time_ms, is_click, seq
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS impression_ms
  FROM numbered
),
found AS (
  SELECT click_seq, impression_seq, impression_ms FROM named
  UNION ALL
  SELECT seq AS click_seq, impression_seq, impression_ms FROM last_before WHERE is_click = 1
)
SELECT
  clicks.seq AS click_seq, clicks.user_id, clicks.item_id, clicks.event_id, clicks.dwell_ms, found.impression_seq,
  CASE WHEN found.impression_ms > clicks.time_ms THEN found.impression_ms ELSE clicks.time_ms END AS click_ms,
  CASE WHEN clicks.parent_event_id IS NULL THEN 0 ELSE 1 END AS is_named,
  CASE
    WHEN found.impression_seq IS NULL THEN 0
    WHEN clicks.time_ms - found.impression_ms <= {click_ms} THEN 1
    ELSE 0
  END AS in_window
FROM clicks
LEFT JOIN found ON found.click_seq = clicks.seq
