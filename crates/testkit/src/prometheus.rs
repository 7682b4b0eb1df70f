//! A Prometheus server, promtool and Alertmanager.
