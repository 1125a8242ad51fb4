-- name: applied_migrations()
-- What was applied to this database, with the hash of each file as it was then.
SELECT name, checksum
  FROM schema_migration
 ORDER BY name;
