SELECT key_ids(envelope) AS keys, count(*)
  FROM credentials GROUP BY keys ORDER BY count(*) DESC
