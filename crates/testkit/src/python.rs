//! A virtual environment with the Python client of Prometheus.
