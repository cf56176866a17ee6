-- In: links. Out: every clicked impression with the first of its clicks, and the moment at which the log had one.
SELECT impression_seq, click_seq, user_id, item_id, click_ms, click_received_ms, dwell_ms
FROM (
  SELECT
    impression_seq, click_seq, user_id, item_id, click_ms, dwell_ms,
    min(greatest(click_ms, received_ms)) OVER (PARTITION BY impression_seq) AS click_received_ms,
    row_number() OVER (PARTITION BY impression_seq ORDER BY click_ms, click_seq) AS nth
  FROM links
  WHERE in_window = 1
) AS ranked
WHERE nth = 1
