-- In: events. Out: what a user did, impressions left out, in the order of the data set.
SELECT user_id, item_id, action, time_ms, seq, dwell_ms, surface, value
FROM events
WHERE action <> 'impression'
ORDER BY time_ms, seq
