-- The roles of one database: counterfoil_owner migrates, counterfoil_app serves and can only read and write rows, and
-- counterfoil_readonly is for people who look. Run by a superuser of PostgreSQL, in the database: an empty one, or one
-- that somebody else has migrated. To run it again does no harm; it sets the passwords anew.
--
--   OWNER_PASSWORD=… APP_PASSWORD=… psql --set ON_ERROR_STOP=1 --file deploy/roles.sql counterfoil
\getenv owner_password OWNER_PASSWORD
\getenv app_password APP_PASSWORD
SELECT format('CREATE ROLE %I', role)
FROM unnest(ARRAY['counterfoil_owner', 'counterfoil_app', 'counterfoil_readonly']) AS role
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role) \gexec
ALTER ROLE counterfoil_owner LOGIN PASSWORD :'owner_password';
ALTER ROLE counterfoil_app LOGIN PASSWORD :'app_password';

REVOKE ALL ON DATABASE :"DBNAME" FROM PUBLIC;
GRANT CONNECT, CREATE ON DATABASE :"DBNAME" TO counterfoil_owner;
GRANT CONNECT ON DATABASE :"DBNAME" TO counterfoil_app, counterfoil_readonly;
GRANT USAGE, CREATE ON SCHEMA public TO counterfoil_owner;
GRANT USAGE ON SCHEMA public TO counterfoil_app;

-- Whatever the migrations make.
ALTER DEFAULT PRIVILEGES FOR ROLE counterfoil_owner GRANT USAGE ON SCHEMAS TO counterfoil_app;
ALTER DEFAULT PRIVILEGES FOR ROLE counterfoil_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO counterfoil_app;

-- And what they have made for somebody else.
SELECT format('ALTER %s %s OWNER TO counterfoil_owner', CASE relkind WHEN 'v' THEN 'VIEW' ELSE 'TABLE' END, oid::regclass)
FROM pg_class WHERE relnamespace IN (to_regnamespace('public'), to_regnamespace('clerk')) AND relkind IN ('r', 'v') \gexec
SELECT 'ALTER SCHEMA clerk OWNER TO counterfoil_owner' WHERE to_regnamespace('clerk') IS NOT NULL \gexec
SELECT format('GRANT USAGE ON SCHEMA %1$I TO counterfoil_app;'
    'GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA %1$I TO counterfoil_app', nspname)
FROM pg_namespace WHERE nspname IN ('public', 'clerk') \gexec
