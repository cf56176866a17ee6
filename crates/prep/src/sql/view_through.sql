-- In: clicked, conversions, last_seen. Out: every conversion without a click in its window whose user saw the item within the
-- view-through window and did not click: with the last such impression.
SELECT conversions.conversion_seq, last_seen.shown_seq AS impression_seq, conversions.conversion_ms, conversions.received_ms
FROM last_seen
JOIN conversions ON conversions.conversion_seq = last_seen.seq
LEFT JOIN clicked ON clicked.impression_seq = last_seen.shown_seq
WHERE conversions.in_window = 0
  AND conversions.conversion_ms - last_seen.shown_ms <= {view_through_ms}
  AND clicked.impression_seq IS NULL
