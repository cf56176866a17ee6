-- In: links. Out: every clicked impression with the first of its clicks.
SELECT impression_seq, click_seq, user_id, item_id, click_ms, dwell_ms
FROM (
  SELECT
    impression_seq, click_seq, user_id, item_id, click_ms, dwell_ms,
    row_number() OVER (PARTITION BY impression_seq ORDER BY click_ms, click_seq) AS nth
  FROM links
  WHERE in_window = 1
) AS ranked
WHERE nth = 1
