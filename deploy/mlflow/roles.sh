#!/bin/sh
# Runs once, when the database is made: two accounts, each with a schema of its name that nobody else may enter.
set -eu
psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname "$POSTGRES_DB" \
    --set tracking="$TRACKING_PASSWORD" --set auth="$AUTH_PASSWORD" <<'END'
REVOKE ALL ON SCHEMA public FROM PUBLIC;
CREATE ROLE mlflow LOGIN PASSWORD :'tracking';
CREATE ROLE mlflow_auth LOGIN PASSWORD :'auth';
CREATE SCHEMA mlflow AUTHORIZATION mlflow;
CREATE SCHEMA mlflow_auth AUTHORIZATION mlflow_auth;
END
