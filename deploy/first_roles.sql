-- Once, as the first user of the database (postgres), after Terraform has made the users: makes the fleet's roles and lends
-- them to the identities. What a role may do stands in migrations/grants.sql and is given by every migration. A repeat is
-- harmless; run it again after a person was added to `operators`.

DO $$
DECLARE
    wanted text;
BEGIN
    FOREACH wanted IN ARRAY ARRAY['gcpay_owner', 'gcpay_intake', 'gcpay_batcher', 'gcpay_conductor', 'gcpay_executor', 'gcpay_operator', 'gcpay_compat_reader'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = wanted) THEN
            EXECUTE format('CREATE ROLE %I NOLOGIN', wanted);
            IF wanted = 'gcpay_compat_reader' THEN
                EXECUTE 'ALTER ROLE gcpay_compat_reader SET search_path = compat';
            END IF;
        END IF;
    END LOOP;
    -- Who gives the database to its owner must be able to be that owner for a moment.
    EXECUTE format('GRANT gcpay_owner TO %I', current_user);
    EXECUTE format('ALTER DATABASE %I OWNER TO gcpay_owner', current_database());
    EXECUTE 'ALTER SCHEMA public OWNER TO gcpay_owner';
    EXECUTE format('REVOKE gcpay_owner FROM %I', current_user);
END $$;

-- The service accounts, as Cloud SQL calls them: gcpay-<role>@<project>.iam
DO $$
DECLARE
    who record;
BEGIN
    FOR who IN
        SELECT rolname, replace(substring(rolname FROM '^gcpay-([a-z]+)@'), 'migrator', 'owner') AS role
        FROM pg_roles WHERE rolname ~ '^gcpay-(intake|batcher|conductor|executor|migrator)@[a-z0-9.:-]+\.iam$'
    LOOP
        EXECUTE format('GRANT %I TO %I', 'gcpay_' || who.role, who.rolname);
    END LOOP;
    -- People: every other user with an address.
    FOR who IN SELECT rolname FROM pg_roles WHERE rolname LIKE '%@%' AND rolname NOT LIKE '%.iam' LOOP
        EXECUTE format('GRANT gcpay_operator TO %I', who.rolname);
    END LOOP;
END $$;
