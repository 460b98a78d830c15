"""The Optuna studies beside ours: what samplers read and dashboards show."""
