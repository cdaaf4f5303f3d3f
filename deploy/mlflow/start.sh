#!/bin/sh
# Starts MLflow. Who has no grant may do nothing, make nothing and read nothing (docs/mlflow-server.md).
set -eu
umask 077
export MLFLOW_AUTH_CONFIG_PATH=/tmp/basic_auth.ini
cat > "$MLFLOW_AUTH_CONFIG_PATH" <<END
[mlflow]
default_permission = NO_PERMISSIONS
grant_default_workspace_access = false
auth_cache_ttl_seconds = 30
authorization_function = mlflow.server.auth:authenticate_request_basic_auth
database_uri = $AUTH_DATABASE_URI
END
unset AUTH_DATABASE_URI
exec python -m mlflow server --app-name basic-auth --host 0.0.0.0 --port 5000 --workers "${MLFLOW_WORKERS:-4}" \
    --artifacts-destination s3://mlflow
