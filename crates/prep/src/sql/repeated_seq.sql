-- In: raw. Out: the values of seq that name more than one row; asked only where the file is not in the order of seq.
SELECT seq FROM raw GROUP BY seq HAVING count(*) > 1 ORDER BY seq LIMIT 1
