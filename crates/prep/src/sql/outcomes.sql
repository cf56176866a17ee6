-- In: duplicates, links, clicked, conversions, view_through. Out: one row that says what became of clicks and conversions.
SELECT *
FROM (SELECT count(*) AS duplicates FROM duplicates) AS repeated
CROSS JOIN (
  SELECT
    count(*) AS clicks,
    count(CASE WHEN in_window = 1 THEN 1 END) AS clicks_in_window,
    count(CASE WHEN in_window = 0 AND impression_seq IS NOT NULL THEN 1 END) AS clicks_out_of_window,
    count(CASE WHEN impression_seq IS NULL AND is_named = 1 THEN 1 END) AS clicks_orphaned,
    count(CASE WHEN impression_seq IS NULL AND is_named = 0 THEN 1 END) AS clicks_unattributed
  FROM links
) AS followed
CROSS JOIN (SELECT count(*) AS clicked_impressions FROM clicked) AS firsts
CROSS JOIN (
  SELECT
    count(*) AS conversions,
    count(CASE WHEN in_window = 1 THEN 1 END) AS conversions_in_window,
    count(CASE WHEN seen_seq IS NOT NULL THEN 1 END) AS view_through,
    count(CASE WHEN in_window = 0 AND impression_seq IS NOT NULL AND seen_seq IS NULL THEN 1 END) AS conversions_out_of_window,
    count(CASE WHEN is_orphan = 1 AND seen_seq IS NULL THEN 1 END) AS conversions_orphaned,
    count(CASE WHEN impression_seq IS NULL AND is_orphan = 0 AND seen_seq IS NULL THEN 1 END) AS conversions_unattributed
  FROM (
    SELECT conversions.in_window, conversions.is_orphan, conversions.impression_seq, view_through.conversion_seq AS seen_seq
    FROM conversions
    LEFT JOIN view_through ON view_through.conversion_seq = conversions.conversion_seq
  ) AS grouped
) AS bought
