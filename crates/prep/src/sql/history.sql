-- In: known. Out: the events of the data set, in its order.
SELECT user_id, item_id, action, time_ms, seq, dwell_ms, surface, value, known_at
FROM known
ORDER BY time_ms, seq
