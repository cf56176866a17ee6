-- In: acts, links, clicked. Out: every conversion with the clicked impression that it is attributed to: that of the click it
-- names, or, where it names none, that of the user's last (or first) click on the item within the attribution window.
-- `clicks` counts the clicks up to a conversion, `expired` those that are too old: the touched click is found by its number.
-- A conversion is never before the event that it names, whatever the clocks say.
WITH converted AS (
  SELECT seq, user_id, item_id, time_ms, received_ms, parent_event_id, named_ms
  FROM acts
  WHERE action = 'conversion'
),
named AS (
  SELECT
    converted.seq AS conversion_seq, links.click_seq AS parent_seq, links.click_ms AS parent_ms, clicked.impression_seq,
    clicked.click_ms
  FROM converted
  JOIN links
    ON links.event_id = converted.parent_event_id AND links.user_id = converted.user_id AND links.item_id = converted.item_id
  LEFT JOIN clicked ON clicked.impression_seq = links.impression_seq AND links.in_window = 1
),
stream AS (
  SELECT user_id, item_id, click_ms AS time_ms, 0 AS is_conversion, click_seq AS seq, impression_seq
  FROM clicked
  UNION ALL
  SELECT user_id, item_id, time_ms, 1 AS is_conversion, seq, NULL AS impression_seq
  FROM converted
  WHERE parent_event_id IS NULL
),
numbered AS (
  SELECT
    user_id, item_id, time_ms, is_conversion, seq, impression_seq,
    count(CASE WHEN is_conversion = 0 THEN 1 END) OVER (
      PARTITION BY user_id, item_id ORDER BY time_ms, is_conversion, seq
      ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
    ) AS clicks,
    count(CASE WHEN is_conversion = 0 THEN 1 END) OVER (
      PARTITION BY user_id, item_id ORDER BY time_ms
      RANGE BETWEEN UNBOUNDED PRECEDING AND {conversion_over_ms} PRECEDING
    ) AS expired
  FROM stream
),
touched AS (
  SELECT
    late.seq AS conversion_seq, early.seq AS parent_seq, early.time_ms AS parent_ms, early.impression_seq,
    early.time_ms AS click_ms
  FROM numbered AS late
  JOIN numbered AS early
    ON early.user_id = late.user_id AND early.item_id = late.item_id
    AND early.clicks = CASE WHEN {first_touch} = 1 THEN least(late.expired + 1, late.clicks) ELSE late.clicks END
  WHERE late.is_conversion = 1 AND early.is_conversion = 0
),
found AS (
  SELECT conversion_seq, parent_seq, parent_ms, impression_seq, click_ms FROM named
  UNION ALL
  SELECT conversion_seq, parent_seq, parent_ms, impression_seq, click_ms FROM touched
),
timed AS (
  SELECT
    converted.seq AS conversion_seq, converted.user_id, converted.item_id, converted.time_ms, converted.received_ms,
    found.impression_seq,
    found.click_ms,
    greatest(converted.time_ms, coalesce(found.parent_ms, converted.named_ms, converted.time_ms)) AS conversion_ms,
    CASE WHEN converted.parent_event_id IS NOT NULL AND found.parent_seq IS NULL THEN 1 ELSE 0 END AS is_orphan
  FROM converted
  LEFT JOIN found ON found.conversion_seq = converted.seq
)
SELECT
  conversion_seq, user_id, item_id, impression_seq, conversion_ms, greatest(conversion_ms, received_ms) AS received_ms, is_orphan,
  CASE
    WHEN click_ms IS NULL THEN 0
    WHEN conversion_ms - click_ms <= {conversion_ms} AND click_ms - time_ms <= {conversion_ms} THEN 1
    ELSE 0
  END AS in_window
FROM timed
