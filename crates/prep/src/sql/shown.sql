-- In: events. Out: impressions per bin of time, by the bin's first moment.
SELECT
  {first_ms} + (time_ms - {first_ms}) / {bin_ms} * {bin_ms} AS bin_ms,
  count(*) AS impressions
FROM events
WHERE action = 'impression'
GROUP BY 1
