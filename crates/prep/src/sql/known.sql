-- In: events, links, conversions. Out: what a user did, impressions left out, and when a ranker knows of it: when it has ended and
-- the log has it, not before what it follows (a click's impression, a conversion's click), and not before those that come before it
-- in the history; the logging delay later, but not after the last moment that a data set can tell, which stands for never. So what is
-- known at a moment is the beginning of a history.
WITH followed AS (
  SELECT click_seq AS seq, click_ms AS at_ms FROM links
  UNION ALL
  SELECT conversion_seq AS seq, conversion_ms AS at_ms FROM conversions
)
SELECT
  events.user_id, events.item_id, events.action, events.time_ms, events.seq, events.dwell_ms, events.surface, events.value,
  least(max(greatest(events.received_ms, coalesce(followed.at_ms, events.time_ms) + coalesce(events.dwell_ms, 0))) OVER (
    PARTITION BY events.user_id ORDER BY events.time_ms, events.seq
    ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW
  ) + {logging_delay_ms}, {never_ms}) AS known_at
FROM followed
RIGHT JOIN events ON events.seq = followed.seq
WHERE events.action <> 'impression'
