-- In: links. Out: every clicked impression with the click that the log had first, and the moment at which it had it. A click that
-- arrives later, though it happened before, changes nothing of what was known.
SELECT impression_seq, click_seq, user_id, item_id, click_ms, click_received_ms, dwell_ms
FROM (
  SELECT
    impression_seq, click_seq, user_id, item_id, click_ms, dwell_ms,
    greatest(click_ms, received_ms) AS click_received_ms,
    row_number() OVER (
      PARTITION BY impression_seq ORDER BY greatest(click_ms, received_ms), click_ms, click_seq
    ) AS nth
  FROM links
  WHERE in_window = 1
) AS ranked
WHERE nth = 1
